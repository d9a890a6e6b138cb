//! Pages under DCGM's names.

use super::*;
use crate::attribute::owner::Claim;
use crate::config::DcgmPage;
use crate::sample::snapshot::{Link, Xid};

const HEAD: &str = r#"gpu="0",UUID="GPU-0",pci_bus_id="00000000:17:00.0",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="node-a""#;
const TEMPERATURE: &str = "DCGM_FI_DEV_GPU_TEMP, gauge, t";

fn nobody() -> Arc<Allocations> {
    Arc::new(Allocations::default())
}

fn busy() -> DeviceSnapshot {
    let mib = 1024.0 * 1024.0;
    gpu(
        0,
        &[
            (Reading::ClockSm, 1.98e9),
            (Reading::ClockMemory, 2.619e9),
            (Reading::TemperatureMemory, 61.0),
            (Reading::TemperatureGpu, 52.4),
            (Reading::Power, 412.345),
            (Reading::Energy, 123_456.789),
            (Reading::PcieReplays, 3.0),
            (Reading::Utilization, 0.97),
            (Reading::MemoryControllerUtilization, 0.29),
            (Reading::EncoderUtilization, 0.0),
            (Reading::DecoderUtilization, 0.07),
            (Reading::MemoryFree, 1_000.5 * mib),
            (Reading::MemoryUsed, 80_000.0 * mib),
            (Reading::MemoryReserved, 559.0 * mib),
            (Reading::NvlinkBandwidth, 123.4e6),
            (Reading::VgpuLicensed, 0.0),
            (Reading::RemappedRowsUncorrectable, 0.0),
            (Reading::RemappedRowsCorrectable, 1.0),
            (Reading::RowRemapFailure, 0.0),
            (Reading::GraphicsEngineActive, 0.5),
            (Reading::TensorActive, 0.123_456_7),
            (Reading::DramActive, 0.25),
            (Reading::PcieTransmitRate, 1_048_576.0),
            (Reading::PcieReceiveRate, 2_097_152.4),
        ],
    )
}

#[test]
fn the_default_page_has_the_names_types_labels_and_values_of_dcgm_exporter() {
    let page = page_of(
        &Pages::new(&config(), Counters::built_in()),
        &[Naming::Dcgm],
        &snapshot(vec![busy()]),
        &on_gpu(0, vec![held_by("chat-0")]),
    );
    let labels = format!(
        r#"{HEAD},DCGM_FI_DRIVER_VERSION="580.95.05",container="server",namespace="llm",pod="chat-0""#
    );
    let shown: Vec<String> = page
        .lines()
        .filter_map(|line| match line.strip_prefix("# TYPE ") {
            Some(family) => Some(family.to_owned()),
            None if line.starts_with('#') => None,
            None => Some(line.replace(&labels, "")),
        })
        .collect();
    let expected = [
        ("CORRECTABLE_REMAPPED_ROWS counter", "1"),
        ("DEC_UTIL gauge", "7"),
        ("ENC_UTIL gauge", "0"),
        ("FB_FREE gauge", "1000"),
        ("FB_RESERVED gauge", "559"),
        ("FB_USED gauge", "80000"),
        ("GPU_TEMP gauge", "52"),
        ("GPU_UTIL gauge", "97"),
        ("MEMORY_TEMP gauge", "61"),
        ("MEM_CLOCK gauge", "2619"),
        ("MEM_COPY_UTIL gauge", "29"),
        ("NVLINK_BANDWIDTH_TOTAL gauge", "123"),
        ("PCIE_REPLAY_COUNTER counter", "3"),
        ("POWER_USAGE gauge", "412.345000"),
        ("ROW_REMAP_FAILURE gauge", "0"),
        ("SM_CLOCK gauge", "1980"),
        ("TOTAL_ENERGY_CONSUMPTION counter", "123456789"),
        ("UNCORRECTABLE_REMAPPED_ROWS counter", "0"),
        ("VGPU_LICENSE_STATUS gauge", "0"),
        ("XID_ERRORS gauge", "0"),
    ]
    .map(|line| ("DEV", line))
    .into_iter()
    .chain(
        [
            ("DRAM_ACTIVE gauge", "0.250000"),
            ("GR_ENGINE_ACTIVE gauge", "0.500000"),
            ("PCIE_RX_BYTES gauge", "2097152"),
            ("PCIE_TX_BYTES gauge", "1048576"),
            ("PIPE_TENSOR_ACTIVE gauge", "0.123457"),
        ]
        .map(|line| ("PROF", line)),
    );
    let expected: Vec<String> = expected
        .flat_map(|(kind, (family, value))| {
            let name = family.split(' ').next().unwrap();
            let more =
                if name == "XID_ERRORS" { r#",err_code="0",err_msg="No Error""# } else { "" };
            let (start, labels) = (format!("DCGM_FI_{kind}_"), labels.as_str());
            let line = if more.is_empty() {
                format!("{start}{name}{{}} {value}")
            } else {
                let at = labels.find(",namespace").unwrap();
                format!("{start}{name}{{{}{more}{}}} {value}", &labels[..at], &labels[at..])
            };
            [format!("{start}{family}"), line]
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn labels_stand_in_the_order_of_dcgm_exporter() {
    let mut held = held_by("chat-0");
    let owner = Arc::make_mut(&mut held.owner);
    owner.pod_labels =
        vec![("team".to_owned(), "a".to_owned()), ("zone".to_owned(), "b".to_owned())];
    held.claim = Some(Claim {
        name: "claim".to_owned(),
        driver: "gpu.nvidia.com".to_owned(),
        ..Claim::default()
    });
    held.replica = Some("2".to_owned());
    let mut config = config();
    config.page.pod_uid = true;
    config.attribution.virtual_gpus = true;
    let counters = "DCGM_FI_DEV_XID_ERRORS, gauge, x\nDCGM_FI_DRIVER_VERSION, label, x\n\
                    DCGM_EXP_XID_ERRORS_COUNT, gauge, x";
    let mut device = mig_gpu(0, &[], vec![instance(7, 0, &[])]);
    device.last_xid = Some(79);
    device.xids =
        vec![Xid { number: Some(79), count: 4, count_in_window: 2, last: std::time::UNIX_EPOCH }];
    let key = DeviceKey::Mig("GPU-0".to_owned(), 7);
    let page =
        dcgm(&config, counters, &snapshot(vec![device]), &allocations(vec![(key, vec![held])]));
    let names = |family| {
        let lines = samples(&page, family);
        assert_eq!(lines.len(), 1, "{page}");
        let names: Vec<&str> = labels(lines[0]).into_iter().map(|(name, _)| name).collect();
        names.join(" ")
    };
    let head = "gpu UUID pci_bus_id device modelName GPU_I_PROFILE GPU_I_ID Hostname";
    let dra = "dra_claim_name dra_claim_namespace dra_device_name dra_driver_name dra_mig_device_uuid \
               dra_mig_profile dra_pool_name";
    assert_eq!(
        names("DCGM_FI_DEV_XID_ERRORS"),
        format!(
            "{head} DCGM_FI_DRIVER_VERSION team zone container {dra} err_code err_msg namespace pod pod_uid vgpu"
        )
    );
    assert_eq!(
        names("DCGM_EXP_XID_ERRORS_COUNT"),
        format!(
            "{head} DCGM_FI_DRIVER_VERSION team window_size_in_ms xid zone container {dra} namespace pod pod_uid vgpu"
        )
    );
    assert!(page.contains(r#"err_code="79",err_msg="GPU fell off the bus""#));
    assert!(page.contains(r#"window_size_in_ms="300000",xid="79""#));
}

#[test]
fn spellings_of_old_and_of_the_node_are_those_asked_for() {
    let page = |change: fn(&mut DcgmPage)| {
        let mut config = config();
        change(&mut config.page.dcgm);
        let device = snapshot(vec![gpu(0, &[(Reading::TemperatureGpu, 40.0)])]);
        dcgm(&config, TEMPERATURE, &device, &on_gpu(0, vec![held_by("a")]))
    };
    let old = page(|dcgm| dcgm.old_labels = true);
    assert!(old.contains(r#"{gpu="0",uuid="GPU-0","#), "{old}");
    assert!(old.contains(r#",container_name="server",pod_name="a",pod_namespace="llm"} 40"#));
    assert!(
        page(|dcgm| dcgm.hostname_label = "hostname".to_owned()).contains(",hostname=\"node-a\",")
    );
    let without = page(|dcgm| dcgm.hostname_label.clear());
    assert!(!without.contains("node-a") && !without.contains(",=\""), "{without}");
    assert!(
        page(|dcgm| dcgm.replace_blanks = true).contains("modelName=\"NVIDIA-H100-80GB-HBM3\"")
    );
}

#[test]
fn a_gpu_of_several_containers_has_its_series_once_and_of_nobody() {
    let device = snapshot(vec![gpu(0, &[(Reading::TemperatureGpu, 40.0)])]);
    let held = on_gpu(0, vec![held_by("a"), held_by("b")]);
    let page = dcgm(&config(), TEMPERATURE, &device, &held);
    let expected = format!("DCGM_FI_DEV_GPU_TEMP{{{HEAD}}} 40");
    assert_eq!(samples(&page, "DCGM_FI_DEV_GPU_TEMP"), [expected]);
}

#[test]
fn shares_have_series_of_their_own_if_they_are_told_apart() {
    let mut config = config();
    config.attribution.virtual_gpus = true;
    let shares = ["0", "1"].map(|share| {
        let mut held = held_by("a");
        held.virtual_gpu = Some(share.to_owned());
        held
    });
    let device = snapshot(vec![gpu(0, &[(Reading::TemperatureGpu, 40.0)])]);
    let page = dcgm(&config, TEMPERATURE, &device, &on_gpu(0, shares.into()));
    let lines = samples(&page, "DCGM_FI_DEV_GPU_TEMP");
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with(",pod=\"a\",vgpu=\"0\"} 40"), "{}", lines[0]);
}

#[test]
fn instances_take_the_place_of_their_gpu_with_the_readings_of_its_board() {
    let own = [(Reading::MemoryUsed, 1_048_576.0)];
    let board = [
        (Reading::MemoryUsed, 7_340_032.0),
        (Reading::MemoryFree, 1_048_576.0),
        (Reading::TemperatureGpu, 40.0),
        (Reading::SmActive, 0.5),
    ];
    let instances = vec![instance(1, 0, &own), instance(2, 0, &[]), instance(2, 1, &own)];
    let device = snapshot(vec![mig_gpu(0, &board, instances)]);
    let counters = "DCGM_FI_DEV_FB_USED, gauge, x\nDCGM_FI_DEV_FB_FREE, gauge, x\n\
                    DCGM_FI_DEV_GPU_TEMP, gauge, x\nDCGM_FI_PROF_SM_ACTIVE, gauge, x";
    let page = dcgm(&config(), counters, &device, &nobody());
    let used = samples(&page, "DCGM_FI_DEV_FB_USED");
    assert_eq!(used.len(), 1);
    assert!(used[0].contains(r#",GPU_I_PROFILE="1g.10gb",GPU_I_ID="1",Hostname="node-a"} 1"#));
    assert_eq!(samples(&page, "DCGM_FI_DEV_FB_FREE"), [""; 0], "memory of the GPU is not theirs");
    assert_eq!(samples(&page, "DCGM_FI_PROF_SM_ACTIVE"), [""; 0]);
    assert_eq!(samples(&page, "DCGM_FI_DEV_GPU_TEMP").len(), 2, "one for each GPU instance");
    let mut config = config();
    config.page.dcgm.mig_parents = true;
    let page = dcgm(&config, counters, &device, &nobody());
    let expected = format!("DCGM_FI_DEV_FB_USED{{{HEAD}}} 7");
    assert_eq!(samples(&page, "DCGM_FI_DEV_FB_USED")[0], expected);
}

#[test]
fn a_board_that_does_not_answer_has_its_last_xid_and_nothing_else() {
    let mut lost = DeviceSnapshot { is_up: false, last_xid: Some(79), ..busy() };
    let counters = "DCGM_FI_DEV_XID_ERRORS, gauge, x\nDCGM_FI_DEV_GPU_TEMP, gauge, x\n\
                    DCGM_EXP_CLOCK_EVENTS_COUNT, gauge, x\nDCGM_EXP_GPU_HEALTH_STATUS, gauge, x";
    let page = dcgm(&config(), counters, &snapshot(vec![lost.clone()]), &nobody());
    let shown: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(shown.len(), 1);
    assert!(shown[0].ends_with("} 79"), "{}", shown[0]);
    lost.last_xid = None;
    assert_eq!(dcgm(&config(), counters, &snapshot(vec![lost]), &nobody()), "");
}

#[test]
fn windowed_counts_and_health_have_their_own_labels() {
    let mut device =
        gpu(0, &[(Reading::RowRemapFailure, 1.0), (Reading::ClockEventHwThermal, 0.0)]);
    device.clock_events_in_window = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    let counters = "DCGM_EXP_CLOCK_EVENTS_COUNT, counter, x\nDCGM_EXP_GPU_HEALTH_STATUS, gauge, x";
    let page = dcgm(&config(), counters, &snapshot(vec![device]), &nobody());
    let events = samples(&page, "DCGM_EXP_CLOCK_EVENTS_COUNT");
    assert_eq!(events.len(), 9);
    let expected = format!(
        r#"DCGM_EXP_CLOCK_EVENTS_COUNT{{{HEAD},clock_event="display_clocks",window_size_in_ms="300000"}} 8"#
    );
    assert_eq!(events[8], expected);
    let health = samples(&page, "DCGM_EXP_GPU_HEALTH_STATUS");
    let expected = format!(
        r#"DCGM_EXP_GPU_HEALTH_STATUS{{{HEAD},health_error_code="DCGM_FR_ROW_REMAP_FAILURE",health_watch="MEM"}} 20"#
    );
    assert_eq!(health[0], expected);
    assert!(health[1].ends_with(r#"health_error_code="",health_watch="THERMAL"} 0"#));
}

#[test]
fn a_link_has_its_bytes_of_both_directions() {
    let mut device = gpu(0, &[]);
    let link = |number, transmit_bytes| Link {
        number,
        transmit_bytes,
        receive_bytes: Some(2.0),
        is_active: None,
    };
    device.links = vec![link(0, Some(5.0)), link(1, None)];
    let counters = "DCGM_FI_DEV_NVLINK_BANDWIDTH_L0, counter, x\n\
                    DCGM_FI_DEV_NVLINK_BANDWIDTH_L1, counter, x";
    let page = dcgm(&config(), counters, &snapshot(vec![device]), &nobody());
    let shown: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(shown, [format!("DCGM_FI_DEV_NVLINK_BANDWIDTH_L0{{{HEAD}}} 7")]);
}

#[test]
fn counters_without_a_suffix_are_legal_in_both_formats() {
    let device = snapshot(vec![gpu(0, &[(Reading::Energy, 1.0)])]);
    let counters = Counters::parse("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION, counter, x");
    let pages = Pages::new(&config(), counters);
    for (format, kind) in [(Format::Text004, "counter"), (Format::OpenMetrics100, "unknown")] {
        let mut writer = Writer::new(format);
        pages.write(&mut writer, &[Naming::Dcgm], &device, &nobody());
        let page = String::from_utf8(writer.finish()).unwrap();
        let kind = format!("# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION {kind}\n");
        assert!(page.contains(&kind), "{page}");
        assert!(page.contains("\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{"), "{page}");
    }
}
