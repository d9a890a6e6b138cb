//! Taking over a changed configuration, or keeping the one before and saying why.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use daemon_runtime::secret::Fingerprint;
use daemon_runtime::shutdown::Reloads;
use instrumentation::json_log::ErrorChain;
use prometheus_model::instrument::{Gauge, RegisterError, Registry};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::listen::has_credentials;
use crate::config::{Config, ConfigError};
use crate::ledger::Handle;
use crate::receive::{CredentialsError, Reception};
use crate::time::Moment;

/// Between two looks at the file: Kubernetes changes it without a signal.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("credentials cannot be removed while the relay listens beyond this machine")]
    Unguarded,
}

/// Reads the configuration again. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Reloader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    is_guarded: bool,
    reception: Reception,
    ledger: Handle,
    publish: watch::Sender<Arc<Config>>,
    /// One at a time, with the hash of what is in force.
    in_force: Mutex<String>,
    success: Gauge,
    success_at: Gauge,
}

impl Reloader {
    pub(super) fn new(
        file: PathBuf,
        is_guarded: bool,
        reception: Reception,
        ledger: Handle,
        publish: watch::Sender<Arc<Config>>,
    ) -> Self {
        let (success, success_at) = (Gauge::default(), Gauge::default());
        let in_force = Mutex::default();
        Self(Arc::new(Inner {
            file,
            is_guarded,
            reception,
            ledger,
            publish,
            in_force,
            success,
            success_at,
        }))
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), RegisterError> {
        registry.register(
            "alert_relay_config_last_reload_success",
            "Whether the configuration was read the last time; if not, the one before is in force",
            self.0.success.clone(),
        )?;
        registry.register(
            "alert_relay_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read",
            self.0.success_at.clone(),
        )
    }

    /// `POST /-/reload`
    pub(super) fn router(&self) -> Router {
        Router::new().route("/-/reload", post(reload)).with_state(self.clone())
    }

    /// Follows signals and the file. The first configuration is written down as the later ones are.
    pub(super) async fn run(
        self,
        reloads: Reloads,
        (config, hash): (Arc<Config>, String),
        stop: CancellationToken,
    ) -> Result<(), std::io::Error> {
        let seen = |file: PathBuf| async move {
            let seen = std::fs::metadata(file).ok();
            seen.as_ref().map(Fingerprint::of)
        };
        let follow = async {
            self.0.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&hash);
            self.0.succeeded();
            self.tell(config, hash).await;
            let mut last = seen(self.0.file.clone()).await;
            loop {
                let asked = tokio::time::timeout(LOOK_AGAIN, reloads.requested()).await.is_ok();
                let now = seen(self.0.file.clone()).await;
                let changed = now.is_some() && now != last;
                last = now.or(last);
                if asked || changed {
                    // Told in the log.
                    let _ = self.reload().await;
                }
            }
        };
        stop.run_until_cancelled(follow).await;
        Ok(())
    }

    async fn reload(&self) -> Result<(), String> {
        let inner = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || inner.read()).await;
        let read = read.map_err(|_| "reading the configuration panicked".to_owned())?;
        match read {
            Ok(None) => Ok(()),
            Ok(Some((config, hash))) => {
                tracing::info!(hash, "configuration taken over");
                self.tell(config, hash).await;
                Ok(())
            }
            Err(error) => {
                self.0.success.set(0.0);
                let problem = ErrorChain(&error).to_string();
                tracing::error!(error = problem, "the configuration before stays in force");
                Err(problem)
            }
        }
    }

    async fn tell(&self, config: Arc<Config>, hash: String) {
        // While the journal cannot be written, it is not written down.
        let _ = self.0.ledger.configure(config, hash).await;
    }
}

impl Inner {
    /// `None` if it is the one that is in force.
    fn read(&self) -> Result<Option<(Arc<Config>, String)>, ReloadError> {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let (config, hash) = Config::read(&self.file)?;
        if self.is_guarded && !has_credentials(&config) {
            return Err(ReloadError::Unguarded);
        }
        // Also when it is the same: files that it names may be others.
        self.reception.reload(&config.receive)?;
        self.succeeded();
        if *in_force == hash {
            return Ok(None);
        }
        in_force.clone_from(&hash);
        let config = Arc::new(config);
        self.publish.send_replace(Arc::clone(&config));
        Ok(Some((config, hash)))
    }

    fn succeeded(&self) {
        self.success.set(1.0);
        let seconds = Moment::now().as_millis() / 1000;
        self.success_at.set(f64::from(u32::try_from(seconds).unwrap_or(u32::MAX)));
    }
}

async fn reload(State(reloader): State<Reloader>) -> Response {
    match reloader.reload().await {
        Ok(()) => "reloaded\n".into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{problem}\n")).into_response(),
    }
}
