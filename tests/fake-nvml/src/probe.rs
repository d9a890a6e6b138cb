//! Calls every function that is simulated, on every GPU and instance, and says what came back: for
//! comparing the table with the shared library, and either with a real driver.

mod ask;
mod device;
mod library;

use nvml_wrapper_sys::bindings::NvmlLib;

/// What came back: one line for each call, `function(of what) = code value`.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<String>,
}

impl Report {
    /// Opens the library, asks for everything, closes it.
    pub fn of(table: &NvmlLib) -> Self {
        let mut report = Self::default();
        library::opened(table, &mut report);
        report
    }

    /// The lines, in the order of the calls.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The lines of one function.
    pub fn of_function<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let begin = format!("{name}(");
        self.lines.iter().map(String::as_str).filter(move |line| line.starts_with(&begin))
    }

    fn add(&mut self, function: &str, of: &str, code: u32, value: Option<String>) {
        let value = value.map(|value| format!(" {value}")).unwrap_or_default();
        self.lines.push(format!("{function}({of}) = {code}{value}"));
    }
}
