//! MIG instances as a scenario names them.

use serde::Deserialize;

use crate::scenario::curve::Shape;

/// Slices of compute that a GPU has.
pub const SLICES: u32 = 7;

/// A compute instance of a GPU instance.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigSpec {
    /// GPU instance id.
    pub gi: u32,
    /// Compute instance id. Default 0.
    #[serde(default)]
    pub ci: u32,
    /// `1g.10gb`: which there are depends on the GPU.
    pub profile: MigProfile,
    /// Default: made from the GPU's and the ids.
    #[serde(default)]
    pub uuid: Option<String>,
    /// Percent of the instance. Default: the load of the GPU.
    #[serde(default)]
    pub util: Option<Shape>,
}

/// Size of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MigProfile {
    /// As written.
    pub name: String,
    /// Slices of compute of the GPU instance.
    pub slices: u32,
    /// Gigabytes, as the name says.
    pub gigabytes: u32,
}

impl TryFrom<String> for MigProfile {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let parse = || {
            let (slices, memory) = name.split_once("g.")?;
            let gigabytes: u32 = memory.strip_suffix("gb")?.parse().ok()?;
            let slices: u32 = slices.parse().ok()?;
            ((1..=SLICES).contains(&slices) && gigabytes > 0).then_some((slices, gigabytes))
        };
        match parse() {
            Some((slices, gigabytes)) => Ok(Self { name, slices, gigabytes }),
            None => Err(format!("`{name}` is no MIG profile: one looks like `1g.10gb`")),
        }
    }
}

/// Checks that instances fit on a GPU that has `profiles`; `Err` says what is accepted.
pub(crate) fn check(instances: &[MigSpec], profiles: &[&str]) -> Result<(), String> {
    if profiles.is_empty() && !instances.is_empty() {
        return Err("this GPU has no MIG".to_owned());
    }
    let mut seen: Vec<(u32, u32)> = Vec::new();
    let mut slices = 0;
    for instance in instances {
        if !profiles.contains(&instance.profile.name.as_str()) {
            return Err(format!(
                "`{}` is no MIG profile of this GPU: accepted are {}",
                instance.profile.name,
                profiles.join(", ")
            ));
        }
        if let Some(shape) = &instance.util {
            shape.check_percent().map_err(|reason| format!("`util` {reason}"))?;
        }
        if seen.contains(&(instance.gi, instance.ci)) {
            return Err(format!("instance {} {} is given twice", instance.gi, instance.ci));
        }
        if !seen.iter().any(|(gi, _)| *gi == instance.gi) {
            slices += instance.profile.slices;
        }
        seen.push((instance.gi, instance.ci));
    }
    if slices > SLICES {
        return Err(format!("instances take {slices} slices, a GPU has {SLICES}"));
    }
    Ok(())
}
