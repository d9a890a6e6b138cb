//! What is wrong is told with its place and what is accepted.

use crate::fixture::{Exporter, run, samples, scenario};

#[test]
fn a_scenario_that_cannot_be_played_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.json");
    std::fs::write(&file, "{\"gpus\": [{}, {\"util\": {\"kind\": \"squere\"}}]}").unwrap();
    let (code, output) = run(&["--simulate", &file.display().to_string()]);
    assert_eq!(code, 78, "{output}");
    assert!(output.contains("gpus[1].util") && output.contains("square"), "{output}");
    let (code, output) = run(&["--simulate", "/nowhere.json"]);
    assert!(code == 78 && output.contains("/nowhere.json"), "{output}");
}

#[test]
fn a_bad_flag_is_refused_with_what_is_accepted() {
    let (code, output) = run(&["--sample.interval", "10ms"]);
    assert_eq!(code, 2);
    assert!(output.contains("a duration from 250ms to 1m is accepted"), "{output}");
}

#[test]
fn an_unknown_counter_is_skipped_with_a_warning_and_a_better_file_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counters.csv");
    std::fs::write(&file, "DCGM_FI_DEV_GPU_TEMP, gauge, heat\nDCGM_FI_DEV_NONSENSE, gauge, x\n")
        .unwrap();
    let path = file.display().to_string();
    let simulation = scenario("inference.json");
    let mut exporter = Exporter::start(&["-f", &path, "--simulate", &simulation], &[]);
    let page = exporter.page();
    assert_eq!(samples(&page, "DCGM_FI_DEV_GPU_TEMP").len(), 4, "{page}");
    assert!(page.contains("gpu_exporter_counters_file_lines_skipped 1"), "{page}");
    assert!(!page.contains("NONSENSE"));
    assert!(exporter.log().contains("DCGM_FI_DEV_NONSENSE"), "{}", exporter.log());
    std::fs::write(&file, "DCGM_FI_DEV_POWER_USAGE, gauge, watts\n").unwrap();
    exporter.hang_up();
    exporter.await_line("DCGM_FI_DEV_POWER_USAGE{");
    std::fs::write(&file, "nothing of use\n").unwrap();
    exporter.hang_up();
    stack_tests::patience::await_condition("the broken file is told", || {
        exporter.log().contains("the counters before stay in force")
    });
    assert!(exporter.page().contains("DCGM_FI_DEV_POWER_USAGE{"));
    assert_eq!(exporter.stop(), 0);
    std::fs::write(&file, "nothing of use\n").unwrap();
    let (code, output) = run(&["-f", &path, "--simulate", &simulation]);
    assert!(code == 78 && output.contains("no line that can be used"), "{output}");
}
