//! The ways between the servers of a cluster and to their clients, which can be cut.

use std::net::TcpListener;
use std::ops::RangeInclusive;

use anyhow::ensure;

use super::loopback;
use super::proxy::Proxy;

/// Linux gives ports from 32768 on.
const PORTS: RangeInclusive<u16> = 15_000..=31_999;
const TRIES: usize = 1_000;

/// The addresses of several servers that form a cluster, with a way between each two of them and one for the
/// clients of each, all of which can be cut.
///
/// What is cut swallows what is sent, as a cable does that is pulled: connections stay, and go on once it is
/// mended.
///
/// ```no_run
/// use rapids_test::{NatsServer, Ways};
///
/// # async fn example() -> anyhow::Result<()> {
/// let ways = Ways::open(3).await?;
/// let servers: Vec<_> =
///     (0..3).map(|server| NatsServer::with_config(&ways.config(server))).collect::<Result<_, _>>()?;
/// ways.cut_off(0);
/// ways.mend(0);
/// # drop(servers);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ways {
    servers: Vec<Ports>,
    fronts: Vec<Proxy>,
    links: Vec<Link>,
}

/// The ports of a server.
#[derive(Debug)]
struct Ports {
    clients: u16,
    routes: u16,
    monitoring: u16,
}

/// The way by which one server connects to another.
#[derive(Debug)]
struct Link {
    from: usize,
    to: usize,
    proxy: Proxy,
}

impl Ways {
    /// Chooses ports for this many servers, and opens the ways.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn open(servers: usize) -> anyhow::Result<Self> {
        let ports = free_ports(servers * 3)?;
        let of = |place: usize| Ports {
            clients: ports[place * 3],
            routes: ports[place * 3 + 1],
            monitoring: ports[place * 3 + 2],
        };
        let servers: Vec<_> = (0..servers).map(of).collect();
        let (mut fronts, mut links) = (Vec::new(), Vec::new());
        for (from, server) in servers.iter().enumerate() {
            fronts.push(Proxy::to(server.clients).await?);
            for (to, other) in servers.iter().enumerate().filter(|(to, _)| *to != from) {
                links.push(Link { from, to, proxy: Proxy::to(other.routes).await? });
            }
        }
        Ok(Self { servers, fronts, links })
    }

    /// What a server is called: `n1`, `n2` and so on.
    pub fn name(&self, server: usize) -> String {
        format!("n{}", server + 1)
    }

    /// The lines of configuration of a server.
    ///
    /// Servers tell each other and clients no addresses, since those could not be cut. A cut is noticed after some
    /// seconds, by pings that are not answered.
    pub fn config(&self, server: usize) -> String {
        let Ports { clients, routes, monitoring } = self.servers[server];
        let links = self.links.iter().filter(|link| link.from == server);
        let others: Vec<_> =
            links.map(|link| format!("nats://127.0.0.1:{}", link.proxy.port)).collect();
        format!(
            "server_name: {}\nport: {clients}\nhttp: \"127.0.0.1:{monitoring}\"\nping_interval: \"2s\"\n\
             cluster {{ name: test, listen: \"127.0.0.1:{routes}\", advertise: \"127.0.0.1:1\", \
             no_advertise: true, routes: [{}] }}\n",
            self.name(server),
            others.join(", ")
        )
    }

    /// The address of a server for clients.
    pub fn url(&self, server: usize) -> String {
        format!("nats://127.0.0.1:{}", self.fronts[server].port)
    }

    /// The addresses of all servers, with commas between.
    pub fn urls(&self) -> String {
        let urls: Vec<_> = (0..self.servers.len()).map(|server| self.url(server)).collect();
        urls.join(",")
    }

    /// The address of the monitoring pages of a server, without a scheme.
    pub fn monitoring(&self, server: usize) -> String {
        format!("127.0.0.1:{}", self.servers[server].monitoring)
    }

    /// Cuts a server off from all others. Clients still reach it.
    pub fn cut_off(&self, server: usize) {
        self.links_of(server).for_each(Proxy::cut);
    }

    /// Cuts clients off from a server. The others still reach it.
    pub fn cut_off_clients(&self, server: usize) {
        self.fronts[server].cut();
    }

    /// Mends all ways to and from a server.
    pub fn mend(&self, server: usize) {
        self.fronts[server].mend();
        self.links_of(server).for_each(Proxy::mend);
    }

    fn links_of(&self, server: usize) -> impl Iterator<Item = &Proxy> {
        let links = self.links.iter().filter(move |link| [link.from, link.to].contains(&server));
        links.map(|link| &link.proxy)
    }
}

/// Free ports, below those that the system gives to whoever asks for any: a server that is started again later
/// must find its own free. All are bound before any is released, so that they differ.
pub(super) fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..TRIES {
        if held.len() == count {
            break;
        }
        held.extend(TcpListener::bind(loopback(fastrand::u16(PORTS))));
    }
    ensure!(held.len() == count, "no ports are free from {} on", PORTS.start());
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
