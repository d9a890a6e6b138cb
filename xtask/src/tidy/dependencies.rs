//! What the workspace depends on: each crate once, from the registry, under a known licence, and
//! named in one place.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;
use crate::process::{cargo, output};

/// Licences whose terms an image can fulfil by carrying their texts.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
    "CC0-1.0",
];

/// Crates that are in the graph in two versions, with the reason.
const TWO_VERSIONS: [(&str, &str); 4] = [
    ("getrandom", "ring 0.17 is on 0.2, everything else on 0.4"),
    ("nom", "7 is listed for an option of rcgen that is off; it is never built"),
    ("syn", "derive macros are on their way from 2 to 3; build time only"),
    ("synstructure", "0.13 is listed for an option of rcgen that is off; it is never built"),
];

/// Crates that must not come in, with what to use instead.
const BANNED: [(&str, &str); 5] = [
    ("openssl-sys", "rustls with ring"),
    ("native-tls", "rustls with ring"),
    ("aws-lc-sys", "ring: it compiles in a sixth of the time"),
    ("serde_yaml", "saphyr-parser; it is deprecated"),
    ("chrono", "jiff"),
];

/// Checks the graph and the manifests.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let metadata = output(cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("output of cargo metadata")?;
    let packages = metadata["packages"].as_array().context("packages of cargo metadata")?;
    let mut findings = check_packages(packages);
    for package in packages.iter().filter(|package| package["source"].is_null()) {
        let path = package["manifest_path"].as_str().context("path of a manifest")?;
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let name = super::shown(root, Path::new(path));
        findings.extend(check_manifest(&name, &text));
    }
    Ok(findings)
}

fn check_packages(packages: &[Value]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = text("name");
        versions.entry(name).or_default().push(text("version"));
        if let Some((_, instead)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            findings.push(format!("dependency {name}: banned, use {instead}"));
        }
        if !text("source").is_empty() && !text("source").starts_with("registry+") {
            findings.push(format!(
                "dependency {name}: comes from {}, not from the registry",
                text("source")
            ));
        }
        if !is_allowed(text("license")) {
            findings.push(format!(
                "dependency {name}: licence `{}` is not on the list",
                text("license")
            ));
        }
    }
    for (name, versions) in versions {
        let is_known = TWO_VERSIONS.iter().any(|(known, _)| *known == name);
        if versions.len() > 1 && !is_known {
            findings.push(format!("dependency {name}: in the graph as {}", versions.join(" and ")));
        }
    }
    findings
}

/// One alternative of `A OR B` with all of its `AND` parts on the list.
fn is_allowed(licence: &str) -> bool {
    let plain = licence.replace(['(', ')'], "").replace('/', " OR ");
    let all_known =
        |alternative: &str| alternative.split(" AND ").all(|part| LICENCES.contains(&part.trim()));
    if licence.contains(") AND ") || licence.contains(" AND (") {
        // Every part of the outer AND has an allowed alternative.
        return licence.split(" AND ").all(|part| is_allowed(part.trim_matches(['(', ')'])));
    }
    plain.split(" OR ").any(all_known)
}

fn check_manifest(name: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(format!("{name}: lacks `[lints] workspace = true`"));
    }
    let mut in_dependencies = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        } else if in_dependencies
            && !line.trim().is_empty()
            && !line.starts_with('#')
            && !line.contains("workspace = true")
        {
            findings
                .push(format!("{name}:{}: name versions in [workspace.dependencies]", index + 1));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn licences_are_read_as_expressions() {
        for licence in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 AND ISC",
        ] {
            assert!(is_allowed(licence), "{licence}");
        }
        for licence in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0"] {
            assert!(!is_allowed(licence), "{licence}");
        }
    }

    #[test]
    fn duplicates_banned_crates_and_other_sources_are_found() {
        let package = |name: &str, version: &str, source: &str| json!({"name": name, "version": version, "source": source, "license": "MIT"});
        let registry = "registry+https://example.com/index";
        let findings = check_packages(&[
            package("a", "1.0.0", registry),
            package("a", "2.0.0", registry),
            package("chrono", "0.4.0", registry),
            package("b", "1.0.0", "git+https://example.com/b"),
        ]);
        assert_eq!(findings.len(), 3, "{findings:?}");
    }

    #[test]
    fn versions_belong_to_the_workspace() {
        let good = "[lints]\nworkspace = true\n\n[dependencies]\n# why\na.workspace = true\n";
        assert!(check_manifest("a/Cargo.toml", good).is_empty());
        let bad = "[dependencies]\na = \"1\"\n";
        assert_eq!(check_manifest("a/Cargo.toml", bad).len(), 2);
    }
}
