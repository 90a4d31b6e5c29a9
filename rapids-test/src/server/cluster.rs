//! Several servers that form a cluster.

use super::NatsServer;
use super::ways::free_ports;

impl NatsServer {
    /// Starts this many servers of one cluster, each as [`with_config`](Self::with_config) does.
    ///
    /// Each accepts connections when this returns. They may still be electing a leader: JetStream may
    /// not answer for a second or two.
    ///
    /// # Errors
    ///
    /// As [`with_config`](Self::with_config); also when no port is free for their routes.
    pub fn cluster(servers: usize, extra: &str) -> anyhow::Result<Vec<Self>> {
        let ports = free_ports(servers)?;
        let routes: Vec<String> =
            ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let routes = routes.join(", ");
        ports
            .iter()
            .map(|port| {
                let cluster = format!(
                    "server_name: n{port}\n\
                     cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}\n"
                );
                Self::with_config(&format!("{cluster}{extra}"))
            })
            .collect()
    }
}
