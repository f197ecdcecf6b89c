use std::{collections::BTreeSet, sync::Arc};

use arc_swap::ArcSwap;
use ipnet::IpNet;

use crate::{AuthConfig, StreamLimits};

/// What a reload may change on the public listener while streams go on.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Who may subscribe.
    pub auth: AuthConfig,
    /// How much one may ask for.
    pub limits: StreamLimits,
    /// Origins of pages that may read across origins, as browsers write them: `https://app.example.com`.
    pub cors_origins: BTreeSet<String>,
    /// Networks of proxies that are believed what they say about whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
}

/// The policy in force. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct LivePolicy(Arc<ArcSwap<Policy>>);

impl LivePolicy {
    pub(crate) fn new(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }

    /// What is in force now; ask once a request.
    pub(crate) fn get(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    pub(crate) fn set(&self, policy: Policy) {
        self.0.store(Arc::new(policy));
    }
}
