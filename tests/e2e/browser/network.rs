use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Bytes that are carried at a time.
const PIECE: usize = 16 << 10;

/// A network between a browser and a gateway, which can die without a word: what is open stays open, and nothing comes.
pub(super) struct Network {
    pub(super) addr: SocketAddr,
    dead: Arc<AtomicBool>,
}

impl Network {
    /// Carries to this gateway.
    pub(super) async fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let network = Self { addr: listener.local_addr().expect("bound"), dead: Arc::default() };
        let dead = Arc::clone(&network.dead);
        actix_rt::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(gateway).await else { continue };
                // A way that was there when the network died is dead for ever.
                let dies = Arc::new(AtomicBool::new(false));
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                actix_rt::spawn(carry(near_in, far_out, Arc::clone(&dead), Arc::clone(&dies)));
                actix_rt::spawn(carry(far_in, near_out, Arc::clone(&dead), dies));
            }
        });
        network
    }

    /// All that is open is dead from now on.
    pub(super) fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// What is opened from now on lives.
    pub(super) fn heal(&self) {
        self.dead.store(false, Ordering::Relaxed);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, dead: Arc<AtomicBool>, dies: Arc<AtomicBool>) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if dead.load(Ordering::Relaxed) {
            dies.store(true, Ordering::Relaxed);
        }
        if !dies.load(Ordering::Relaxed) && to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
