//! Flags (placeholder until the complete set).
use std::ffi::OsString;
use crate::config::Config;
/// Flags.
#[derive(Debug, Clone, Default)]
pub struct Flags { args: Vec<(String, String)> }
/// Result of parsing.
#[derive(Debug)]
pub enum Parsed {
    /// Go on.
    Run(Flags),
    /// Print and end.
    Done {
        /// What.
        text: String,
        /// Exit code.
        code: u8,
    },
}
/// Parses.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Parsed {
    let mut flags = Flags::default();
    let mut it = arguments.into_iter().skip(1).map(|a| a.to_string_lossy().into_owned()).peekable();
    while let Some(arg) = it.next() {
        let name = arg.trim_start_matches('-').to_owned();
        let bools = ["dry-run", "stdin", "check-syntax", "config.expand-env", "version"];
        if let Some((name, value)) = name.split_once('=') {
            flags.args.push((name.to_owned(), value.to_owned()));
        } else if bools.contains(&name.as_str()) {
            flags.args.push((name, "true".to_owned()));
        } else {
            let value = it.next().unwrap_or_default();
            flags.args.push((name, value));
        }
    }
    Parsed::Run(flags)
}
impl Flags {
    fn get(&self, name: &str) -> Option<&str> { self.args.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str()) }
    fn is(&self, name: &str) -> bool { self.get(name) == Some("true") }
    /// x
    pub fn config_file(&self) -> &str { self.get("config.file").unwrap_or_default() }
    /// x
    pub fn expand_env(&self) -> bool { self.is("config.expand-env") }
    /// x
    pub fn check_syntax(&self) -> bool { self.is("check-syntax") }
    /// x
    pub fn dry_run(&self) -> bool { self.is("dry-run") }
    /// x
    pub fn print_config_stderr(&self) -> bool { false }
    /// x
    pub fn apply(&self, config: &mut Config) {
        if self.is("stdin") { config.target_config.stdin = true; }
        if let Some(url) = self.get("client.url") { config.client.url = crate::config::http_url::HttpUrl::parse(url).unwrap(); }
        if let Some(t) = self.get("client.tenant-id") { config.client.tenant_id = t.to_owned(); }
        if let Some(t) = self.get("client.batch-wait") { config.client.batchwait = t.parse().unwrap(); }
        if let Some(t) = self.get("positions.file") { config.positions.filename = t.into(); }
        if let Some(t) = self.get("positions.sync-period") { config.positions.sync_period = t.parse().unwrap(); }
        if let Some(t) = self.get("target.sync-period") { config.target_config.sync_period = t.parse().unwrap(); }
        if let Some(t) = self.get("client.external-labels") { for p in t.split(',') { let (a, b) = p.split_once('=').unwrap(); config.client.external_labels.set(a, b).unwrap(); } }
    }
}
