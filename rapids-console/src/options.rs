//! What the console is told when it starts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::button::Button;
use crate::frame::Base;
use crate::text::Mask;

/// Where the console listens, who may look, and what it shows.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to listen. Anything but loopback needs --users or --proxy: packets are shown to whoever comes
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Who may look: a file with a line `NAME:HASH` for each user. `rapids-console --hash` reads a password
    /// and prints such a hash (argon2id)
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,

    /// Read a password from standard input, print its hash for the file of --users, and end
    #[arg(long, conflicts_with_all = ["users", "proxy"])]
    pub hash: bool,

    /// The address of a reverse proxy that has logged users in; needs --user-header
    #[arg(long, value_name = "IP", requires = "user_header")]
    pub proxy: Option<IpAddr>,

    /// The header in which the proxy names the user, such as `X-Forwarded-User`. From any other address
    /// than --proxy it counts for nothing
    #[arg(long, value_name = "HEADER", requires = "proxy")]
    pub user_header: Option<axum::http::HeaderName>,

    /// Who may act, of those who log in: names, separated by commas. All others may only look. Where nobody
    /// logs in, everybody may act unless --read-only is given
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub operators: Vec<String>,

    /// Nobody may act: the console reads, and changes nothing
    #[arg(long)]
    pub read_only: bool,

    /// The path that a reverse proxy serves the console under, such as `/rapids`
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub prefix: Base,

    /// Values that are not shown: paths into packets and memories, separated by commas, such as
    /// `customer,items[*].price`
    #[arg(long, value_name = "PATHS", default_value = "", hide_default_value = true)]
    pub mask: Mask,

    /// A button on the overview that publishes this packet, such as
    /// `Break payment={"command":"break_payment","share":0.5,"seconds":60}`; may be repeated. Whoever may only
    /// look has none
    #[arg(long = "button", value_name = "NAME=PACKET")]
    pub buttons: Vec<Button>,

    /// How many of the newest packets are kept in memory to be found at once; 500,000 take about 100 MB
    #[arg(long, value_name = "PACKETS", default_value_t = 500_000)]
    pub index: usize,
}
