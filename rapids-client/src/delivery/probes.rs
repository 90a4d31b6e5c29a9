//! What a process serves over HTTP where that is asked for: its metrics, and answers to probes.

use std::future::pending;
use std::rc::Rc;

use tokio::net::TcpListener;
use tracing::info;

use super::health::Health;
use crate::config::Config;
use crate::monitoring::{Exposition, Page, serve, services};
use crate::{Error, Result};

/// Serves nothing unless the configuration asks for it.
pub(crate) struct Probes {
    listener: Option<TcpListener>,
    services: Vec<Rc<Health>>,
}

impl Probes {
    /// Listens for all services of the process.
    ///
    /// # Errors
    /// `Listen` if the address cannot be had.
    pub(crate) async fn open(config: &Config, services: Vec<Rc<Health>>) -> Result<Self> {
        let listener = match config.http {
            None => None,
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.map_err(|source| Error::Listen { address, source })?)
            }
        };
        if let Some(Ok(address)) = listener.as_ref().map(TcpListener::local_addr) {
            let url = format!("http://{address}");
            info!("metrics are at {url}/metrics, probes at {url}/livez and {url}/readyz");
            services.iter().for_each(|health| health.set_url(&url));
        }
        Ok(Self { listener, services })
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn answer(&self) {
        match &self.listener {
            None => pending().await,
            Some(listener) => serve(listener, async |path| self.page(path)).await,
        }
    }

    fn page(&self, path: &str) -> Page {
        let services = self.services.iter();
        match path {
            "/metrics" => Page::Ok(self.metrics()),
            "/livez" => {
                well_unless(&services.flat_map(|health| health.blocked()).collect::<Vec<_>>())
            }
            "/readyz" => {
                well_unless(&services.filter_map(|health| health.unready()).collect::<Vec<_>>())
            }
            _ => Page::NotFound("there are /metrics, /livez and /readyz\n".to_owned()),
        }
    }

    fn metrics(&self) -> String {
        let stats: Vec<_> = self.services.iter().filter_map(|health| health.stats()).collect();
        let mut out = Exposition::default();
        services(&mut out, &stats);
        out.into_text()
    }
}

/// One line for each fault.
fn well_unless(faults: &[String]) -> Page {
    if faults.is_empty() {
        return Page::Ok("ok\n".to_owned());
    }
    Page::Unavailable(faults.join("\n") + "\n")
}
