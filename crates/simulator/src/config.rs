use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use secrecy::SecretString;

use crate::{AccountFaults, Load, Scenario, SimulatorError};

/// How the simulated service behaves.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where it listens; port 0 takes a free one. Default 127.0.0.1:7070.
    pub bind: SocketAddr,
    /// The only accounts that exist. Empty: every account exists from the moment somebody names it.
    pub accounts: Vec<AccountConfig>,
    /// How long a sent push may stay without an answer before it is sent again. Default 5 s.
    pub redeliver_after: Duration,
    /// How often one push is sent on one socket; when the last one stays without an answer for `redeliver_after` too,
    /// the socket is cut. At least 1, default 3.
    pub attempts: u32,
    /// A socket from which neither ping nor pong came for this long is cut; it is pinged three times as often.
    /// Default 60 s.
    pub ping_timeout: Duration,
    /// Made-up pushes a second for each account; 0 for none, which is the default.
    pub rate: f64,
    /// Faults that hold from the start; those of one account count more than those of all. Default none.
    pub faults: Vec<AccountFaults>,
    /// A load that begins once each of its accounts has a socket; one that names no accounts is of all the configured
    /// ones. Default nothing.
    pub load: Option<Load>,
    /// What is done over time, from the start of the run on. Default nothing.
    pub scenario: Option<Scenario>,
    /// Threads that serve sockets; 0, the default, for one a core.
    pub workers: usize,
    /// What is kept in memory.
    pub limits: Limits,
}

/// One account of the service.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// Its name in `/ws/{account}`, 1 to 128 bytes.
    pub id: String,
    /// The bearer token that the handshake must carry; nothing lets everybody in.
    pub token: Option<SecretString>,
}

/// Bounds on what input from outside can make the simulator keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Accounts made on demand; one more gets 404. Default 100,000.
    pub accounts: usize,
    /// Pushes without an answer, over all accounts; one more is refused with 503. Default 1,000,000.
    pub pending: usize,
    /// Answered pushes remembered, over all accounts, at some 150 bytes each; then the oldest are forgotten.
    /// Default 2,000,000.
    pub answered: usize,
}

impl AccountConfig {
    /// The accounts `t0`, `t1` … `t<count - 1>`, without tokens.
    pub fn numbered(count: usize) -> Vec<Self> {
        (0..count).map(|n| Self { id: format!("t{n}"), token: None }).collect()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { accounts: 100_000, pending: 1_000_000, answered: 2_000_000 }
    }
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            accounts: Vec::new(),
            redeliver_after: Duration::from_secs(5),
            attempts: 3,
            ping_timeout: Duration::from_secs(60),
            rate: 0.0,
            faults: Vec::new(),
            load: None,
            scenario: None,
            workers: 0,
            limits: Limits::default(),
        }
    }
}

impl SimulatorConfig {
    pub(crate) fn validate(&self) -> Result<(), SimulatorError> {
        let wrong = |what| Err(SimulatorError::Config(what));
        if self.redeliver_after.is_zero() || self.ping_timeout.is_zero() {
            return wrong("redeliver_after and ping_timeout must be positive");
        }
        if self.attempts == 0 {
            return wrong("attempts must be at least 1");
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return wrong("rate must be 0 or a positive number");
        }
        if self.accounts.iter().any(|account| !is_account_id(&account.id)) {
            return wrong("an account id is 1 to 128 bytes without / and control characters");
        }
        if self.accounts.is_empty() && self.load.as_ref().is_some_and(|load| !load.names_accounts()) {
            return wrong("a load from the start needs accounts: of its own, or of the service");
        }
        let mut named = self.faults.iter().filter_map(|given| given.account.as_deref());
        if named.any(|id| !self.may_exist(id)) {
            return wrong("faults are for an account that does not exist");
        }
        Ok(())
    }

    fn may_exist(&self, id: &str) -> bool {
        if self.accounts.is_empty() { is_account_id(id) } else { self.accounts.iter().any(|known| known.id == id) }
    }
}

/// Whether `id` fits a segment of a path and a line of a log.
pub(crate) fn is_account_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && !id.contains('/') && !id.chars().any(char::is_control)
}
