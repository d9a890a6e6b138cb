//! Prints the reference of all metrics: `cargo xtask generate` writes it into the documentation.

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() {
    print!("{}", gpu_exporter::expose::reference::markdown());
}
