//! Two sites: the servers of one are leaf nodes of the other's, and the way between them can be cut.

use super::NatsServer;
use super::proxy::Proxy;
use super::ways::free_ports;

/// The JetStream domain of the first site.
const HUB: &str = "hub";
/// That of the second one.
const LEAF: &str = "leaf";

/// Two clusters of servers, each a JetStream domain of its own: `hub`, and `leaf`, whose servers are leaf nodes
/// of the first.
///
/// What is cut swallows what is sent, as a cable does that is pulled.
///
/// ```no_run
/// use rapids_test::TwoSites;
///
/// # async fn example() -> anyhow::Result<()> {
/// let sites = TwoSites::start(1).await?;
/// println!("publish at {}, read at {}", sites.hub[0].url(), sites.leaf[0].url());
/// sites.cut();
/// sites.mend();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TwoSites {
    /// The servers of the first site.
    pub hub: Vec<NatsServer>,
    /// The servers of the second one.
    pub leaf: Vec<NatsServer>,
    way: Proxy,
}

impl TwoSites {
    /// Starts this many servers at each site.
    ///
    /// # Errors
    ///
    /// As [`NatsServer::with_config`]; also when no port is free for what they tell each other.
    pub async fn start(servers: usize) -> anyhow::Result<Self> {
        let for_leaves = free_ports(servers)?;
        let way = Proxy::to(for_leaves[0]).await?;
        let hub = site(HUB, servers, |server| {
            format!(
                "leafnodes {{ listen: \"127.0.0.1:{}\", no_advertise: true }}\n",
                for_leaves[server]
            )
        })?;
        // A way that is cut is noticed by pings that are not answered.
        let remote = format!(
            "ping_interval: \"2s\"\nleafnodes {{ reconnect: \"1s\", remotes: [{{ url: \"nats://127.0.0.1:{}\" }}] }}\n",
            way.port
        );
        let leaf = site(LEAF, servers, |_| remote.clone())?;
        Ok(Self { hub, leaf, way })
    }

    /// Cuts the sites off from each other. Clients reach the servers of both.
    pub fn cut(&self) {
        self.way.cut();
    }

    /// Mends the way between them.
    pub fn mend(&self) {
        self.way.mend();
    }
}

/// The servers of a site, a cluster if there are several, with these lines for each.
fn site(
    domain: &str,
    servers: usize,
    lines: impl Fn(usize) -> String,
) -> anyhow::Result<Vec<NatsServer>> {
    let ports = free_ports(servers)?;
    let routes: Vec<_> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let routes = routes.join(", ");
    let server = |(place, port): (usize, &u16)| {
        let cluster = match servers {
            1 => String::new(),
            _ => format!(
                "cluster {{ name: {domain}, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}\n"
            ),
        };
        NatsServer::with_config(&format!(
            "server_name: {domain}{}\n{cluster}{}\
             jetstream {{ domain: {domain}, max_file_store: 8GB, max_memory_store: 256MB }}\n",
            place + 1,
            lines(place)
        ))
    };
    ports.iter().enumerate().map(server).collect()
}
