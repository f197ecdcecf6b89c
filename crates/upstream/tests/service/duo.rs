use pushgate_upstream::UpstreamConfig;

use crate::{
    gateway::Gateway,
    peer::Peer,
    service::{PATIENCE, Service},
};

/// Two tenants on one thread, each with a socket to a service of its own. What acme's service does must not matter to
/// globex.
pub(crate) struct Duo {
    pub(crate) gateway: Gateway,
    pub(crate) acme: Service,
    pub(crate) peer: Peer,
    /// The socket of globex.
    pub(crate) neighbour: Peer,
    asked: usize,
}

impl Duo {
    pub(crate) async fn start(config: &UpstreamConfig) -> Self {
        let (acme, globex) = (Service::bind().await, Service::bind().await);
        let gateway = Gateway::start(config, &[("acme", &acme), ("globex", &globex)]);
        let (peer, neighbour) = (acme.accept().await, globex.accept().await);
        Self { gateway, acme, peer, neighbour, asked: 0 }
    }

    /// Acme's service says this. Meanwhile globex is answered, and then acme, on the same socket.
    pub(crate) async fn stays_after(&mut self, bytes: &[u8]) {
        let name = self.next_name();
        tokio::join!(self.peer.raw(bytes), self.neighbour.is_acked(&name));
        self.peer.is_acked(&name).await;
    }

    /// Acme's service says this and is told so by a Close with this code, without a word before. Meanwhile globex is
    /// answered, and then acme, on its next socket.
    pub(crate) async fn is_cut_after(&mut self, bytes: &[u8], code: u16) {
        let name = self.next_name();
        tokio::join!(self.peer.flood(bytes, PATIENCE), self.neighbour.is_acked(&name));
        assert_eq!(self.peer.closed().await, Some(code));
        self.peer.ended().await;
        self.peer = self.acme.accept().await;
        self.peer.is_acked(&name).await;
    }

    fn next_name(&mut self) -> String {
        self.asked += 1;
        format!("next-{}", self.asked)
    }
}
