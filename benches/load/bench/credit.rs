use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{phase::Phase, source::EVENT};
use crate::http::{delete, get, post};

/// Bytes of an event of the gateway beside the text of its push: `id:`, `data:`, keys, quotes, id, times.
const FRAME: usize = 202;
/// Bytes of a stamp, as good as always.
const STAMP: usize = 35;

/// Makes the simulator publish: a load that takes credit, and a request that stays open and asks for pushes by lines of
/// its body.
pub(crate) struct Credit {
    simulator: SocketAddr,
    /// Of the phase that goes on.
    request: Option<TcpStream>,
    asked: u64,
}

impl Credit {
    pub(crate) fn new(simulator: SocketAddr) -> Self {
        Self { simulator, request: None, asked: 0 }
    }

    /// Begins the load of a phase.
    pub(crate) fn begin(&mut self, phase: &Phase) -> Result<()> {
        let size = EVENT - FRAME - STAMP;
        let load = json!({"accounts": phase.tenants, "credit": 0, "marker": phase.marker, "size": size});
        post(self.simulator, "/control/load", &load)?.json::<Value>().context("the load does not start")?;
        let mut request = TcpStream::connect(self.simulator)?;
        request.set_nodelay(true)?;
        let host = self.simulator;
        write!(request, "POST /control/load/credit HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        request.set_nonblocking(true)?;
        self.request = Some(request);
        Ok(())
    }

    /// Asks for one more push, which is made at the next flush. The simulator goes round the tenants too.
    pub(crate) fn push(&mut self) {
        self.asked += 1;
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        let asked = std::mem::take(&mut self.asked);
        if asked == 0 {
            return Ok(());
        }
        let line = format!("{asked}\n");
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        let request = self.request.as_mut().context("no phase goes on")?;
        // A few bytes that the simulator reads at once fit its buffer.
        request.write_all(chunk.as_bytes()).context("the simulator takes no credit")
    }

    /// Fails when the simulator said no.
    pub(crate) fn drain(&mut self) -> Result<()> {
        let mut answer = [0; 512];
        match self.request.as_mut().context("no phase goes on")?.read(&mut answer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Ok(count) => bail!("the simulator takes no more credit: {}", String::from_utf8_lossy(&answer[..count])),
            Err(error) => Err(error).context("the simulator takes no more credit"),
        }
    }

    /// Ends the load of a phase.
    pub(crate) fn end(&mut self) -> Result<()> {
        // With its request, which ends with the load.
        self.request = None;
        ensure!(delete(self.simulator, "/control/load")?.status == 204, "the load does not end");
        let load: Value = get(self.simulator, "/control/load")?.json()?;
        ensure!(load["refused"] == 0, "the simulator refused {} pushes: too many wait", load["refused"]);
        Ok(())
    }
}
