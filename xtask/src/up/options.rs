//! What `up` can be told: where its parts listen.

use anyhow::{Context, Result, bail};

/// With defaults on this machine's loopback.
pub(super) struct Options {
    pub(super) log_lines: u32,
    pub(super) receiver: String,
    pub(super) shipper: String,
    pub(super) service: String,
    pub(super) gpus: String,
    pub(super) prometheus: String,
}

/// From the command line.
pub(super) fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        log_lines: 20,
        receiver: "127.0.0.1:3100".to_owned(),
        shipper: "127.0.0.1:9080".to_owned(),
        service: "127.0.0.1:8000".to_owned(),
        gpus: "127.0.0.1:9400".to_owned(),
        prometheus: "127.0.0.1:9090".to_owned(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--log-lines" => {
                let text = value()?;
                options.log_lines = text
                    .parse()
                    .with_context(|| format!("--log-lines {text}: a whole number is wanted"))?;
            }
            "--receiver" => value()?.clone_into(&mut options.receiver),
            "--shipper" => value()?.clone_into(&mut options.shipper),
            "--service" => value()?.clone_into(&mut options.service),
            "--gpus" => value()?.clone_into(&mut options.gpus),
            "--prometheus" => value()?.clone_into(&mut options.prometheus),
            other => bail!(
                "`up` does not know {other}; it takes --log-lines N, and --receiver, --shipper, \
                 --service, --gpus, --prometheus with ADDRESS:PORT"
            ),
        }
    }
    Ok(options)
}
