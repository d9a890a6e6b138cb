//! `http_listen_network`, `http_listen_address` and `http_listen_port`.
//!
//! As in Go the empty address means all addresses, of IPv4 and IPv6, whatever the system's default
//! for IPv6 sockets is.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

use crate::config::server::Server;

/// Connections that wait to be accepted, as in Go on a default system.
const BACKLOG: i32 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Any,
    V4,
    V6,
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub(super) struct Address {
    network: Network,
    /// Without brackets; empty for all.
    host: String,
    port: u16,
}

impl Address {
    /// `None` when the network is unknown.
    pub(super) fn new(config: &Server) -> Option<Self> {
        let network = match config.http_listen_network.as_str() {
            "" | "tcp" => Network::Any,
            "tcp4" => Network::V4,
            "tcp6" => Network::V6,
            _ => return None,
        };
        let host = config.http_listen_address.trim_matches(['[', ']']).to_owned();
        Some(Self { network, host, port: config.http_listen_port })
    }

    pub(super) async fn bind(&self) -> io::Result<TcpListener> {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port));
        if !self.host.is_empty() {
            let mut found = lookup_host((self.host.as_str(), self.port)).await?;
            let fits = |address: &SocketAddr| match self.network {
                Network::Any => true,
                Network::V4 => address.is_ipv4(),
                Network::V6 => address.is_ipv6(),
            };
            let none = || io::Error::other("no address of the network has this name");
            return listen(found.find(fits).ok_or_else(none)?, true);
        }
        match self.network {
            Network::V4 => listen(v4, true),
            Network::V6 => listen(v6, true),
            Network::Any => match listen(v6, false) {
                // a system without IPv6
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    listen(v4, true).map_err(|_| error)
                }
                listening => listening,
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn listen(address: SocketAddr, is_v6_only: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(is_v6_only)?;
    }
    // the connections of the process before must not keep the address
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}
