//! How many streams, and how often: counted over all worker threads, per tenant, address and token.
//!
//! Every stream is counted whatever the limits are, because a reload may set one while streams go on. One lock guards it
//! all: it is taken twice in the life of a stream, and held for a few look-ups.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use pushgate_model::TenantId;

use crate::{StreamLimits, auth::Grant, rate::Rate};

/// Names a token, as a [`Grant`] does.
type TokenDigest = [u8; 32];

/// What is counted. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    counts: Arc<Mutex<Counts>>,
    rate: Arc<Mutex<Rate>>,
}

/// Streams that there are. Entries live as long as there is one.
#[derive(Debug, Default)]
struct Counts {
    streams: usize,
    tenants: HashMap<TenantId, usize>,
    addresses: HashMap<IpAddr, usize>,
    tokens: HashMap<TokenDigest, usize>,
}

/// The place of one stream in all counts; gives it back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limits: Limits,
    address: IpAddr,
    tenants: Box<[TenantId]>,
    token: Option<TokenDigest>,
}

/// A named limit that a stream would go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `server.limits.streams`
    Streams,
    /// `server.limits.streams_per_tenant`
    StreamsPerTenant,
    /// `server.limits.streams_per_address`
    StreamsPerAddress,
    /// `server.limits.streams_per_token`
    StreamsPerToken,
    /// `server.limits.connects_per_second_per_address`
    ConnectsPerSecondPerAddress,
}

impl Limit {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Streams,
        Self::StreamsPerTenant,
        Self::StreamsPerAddress,
        Self::StreamsPerToken,
        Self::ConnectsPerSecondPerAddress,
    ];

    /// Its key below `server.limits`, which is also its reason in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::StreamsPerTenant => "streams_per_tenant",
            Self::StreamsPerAddress => "streams_per_address",
            Self::StreamsPerToken => "streams_per_token",
            Self::ConnectsPerSecondPerAddress => "connects_per_second_per_address",
        }
    }
}

impl Limits {
    /// Counts an attempt to open a stream.
    ///
    /// # Errors
    /// The address tries too often.
    pub(crate) fn knock(&self, limits: &StreamLimits, address: IpAddr) -> Result<(), Limit> {
        let per_second = limits.connects_per_second_per_address;
        if per_second == 0 || lock(&self.rate).take(site(address), per_second, Instant::now()) {
            Ok(())
        } else {
            Err(Limit::ConnectsPerSecondPerAddress)
        }
    }

    /// Takes a place for a stream.
    ///
    /// # Errors
    /// There is none; nothing is counted then.
    pub(crate) fn admit(
        &self,
        limits: &StreamLimits,
        address: IpAddr,
        grant: &Grant,
        tenants: &[TenantId],
    ) -> Result<Permit, Limit> {
        let (address, token) = (site(address), grant.token);
        let mut counts = lock(&self.counts);
        counts.room(limits, address, token.as_ref(), tenants)?;
        counts.streams += 1;
        for tenant in tenants {
            *counts.tenants.entry(tenant.clone()).or_default() += 1;
        }
        *counts.addresses.entry(address).or_default() += 1;
        if let Some(token) = token {
            *counts.tokens.entry(token).or_default() += 1;
        }
        drop(counts);
        Ok(Permit { limits: self.clone(), address, tenants: tenants.into(), token })
    }
}

impl Counts {
    /// Whether one more stream is within all limits.
    fn room(
        &self,
        limits: &StreamLimits,
        address: IpAddr,
        token: Option<&TokenDigest>,
        tenants: &[TenantId],
    ) -> Result<(), Limit> {
        let full = |limit: usize, count: usize| limit != 0 && count >= limit;
        if full(limits.streams, self.streams) {
            return Err(Limit::Streams);
        }
        if tenants.iter().any(|tenant| full(limits.streams_per_tenant, of(&self.tenants, tenant))) {
            return Err(Limit::StreamsPerTenant);
        }
        if full(limits.streams_per_address, of(&self.addresses, &address)) {
            return Err(Limit::StreamsPerAddress);
        }
        if token.is_some_and(|token| full(limits.streams_per_token, of(&self.tokens, token))) {
            return Err(Limit::StreamsPerToken);
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = lock(&self.limits.counts);
        counts.streams -= 1;
        for tenant in &self.tenants {
            give_back(&mut counts.tenants, tenant);
        }
        give_back(&mut counts.addresses, &self.address);
        if let Some(token) = &self.token {
            give_back(&mut counts.tokens, token);
        }
    }
}

fn of<K: Hash + Eq>(counts: &HashMap<K, usize>, key: &K) -> usize {
    counts.get(key).copied().unwrap_or(0)
}

fn give_back<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What counts as one address: of IPv6 the /64, because whoever has one address there has all of them.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Nothing under these locks panics; and a count is better than none.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use pushgate_fanout::Lease;

    use super::*;
    use crate::auth::Scope;

    fn grant(token: Option<u8>) -> Grant {
        let token = token.map(|byte| [byte; 32]);
        Grant { scope: Scope::All, presence: false, lease: Lease::default(), token, cookie: None }
    }

    fn tenants(ids: &[&str]) -> Vec<TenantId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    /// A stream of one tenant.
    fn admit(limits: &Limits, with: StreamLimits, address: &str, token: Option<u8>) -> Result<Permit, Limit> {
        limits.admit(&with, address.parse().unwrap(), &grant(token), &tenants(&["acme"]))
    }

    #[test]
    fn each_limit_counts_its_own_and_gives_back() {
        let none = StreamLimits::default();
        let table: [(StreamLimits, Limit); 4] = [
            (StreamLimits { streams: 2, ..none }, Limit::Streams),
            (StreamLimits { streams_per_tenant: 2, ..none }, Limit::StreamsPerTenant),
            (StreamLimits { streams_per_address: 2, ..none }, Limit::StreamsPerAddress),
            (StreamLimits { streams_per_token: 2, ..none }, Limit::StreamsPerToken),
        ];
        for (with, limit) in table {
            let limits = Limits::default();
            let first = admit(&limits, with, "192.0.2.1", Some(1)).unwrap();
            let second = admit(&limits, with, "192.0.2.1", Some(1)).unwrap();
            assert_eq!(admit(&limits, with, "192.0.2.1", Some(1)).unwrap_err(), limit);
            drop(first);
            let third = admit(&limits, with, "192.0.2.1", Some(1)).unwrap();
            assert_eq!(admit(&limits, with, "192.0.2.1", Some(1)).unwrap_err(), limit);
            drop((second, third));
            let counts = lock(&limits.counts);
            assert!(counts.streams == 0 && counts.tenants.is_empty() && counts.addresses.is_empty(), "{counts:?}");
            assert!(counts.tokens.is_empty(), "{counts:?}");
        }
    }

    #[test]
    fn others_have_places_of_their_own() {
        let with =
            StreamLimits { streams_per_tenant: 1, streams_per_address: 1, streams_per_token: 1, ..Default::default() };
        let limits = Limits::default();
        let _first = admit(&limits, with, "192.0.2.1", Some(1)).unwrap();
        let other = |address: &str, token, ids: &[&str]| {
            limits.admit(&with, address.parse().unwrap(), &grant(token), &tenants(ids)).map(drop)
        };
        assert_eq!(other("192.0.2.2", Some(2), &["globex", "acme"]), Err(Limit::StreamsPerTenant));
        assert_eq!(other("192.0.2.1", Some(2), &["globex"]), Err(Limit::StreamsPerAddress));
        assert_eq!(other("192.0.2.2", Some(1), &["globex"]), Err(Limit::StreamsPerToken));
        assert_eq!(other("192.0.2.2", Some(2), &["globex"]), Ok(()));
        assert_eq!(other("192.0.2.2", None, &["globex"]), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let with = StreamLimits { streams_per_address: 1, ..Default::default() };
        let limits = Limits::default();
        let _first = admit(&limits, with, "2001:db8:1:2::1", None).unwrap();
        assert_eq!(admit(&limits, with, "2001:db8:1:2:ffff::9", None).unwrap_err(), Limit::StreamsPerAddress);
        assert!(admit(&limits, with, "2001:db8:1:3::1", None).is_ok());
    }

    #[test]
    fn a_limit_that_is_set_later_counts_those_that_are_there() {
        let limits = Limits::default();
        let running: Vec<_> =
            (0..3).map(|_| admit(&limits, StreamLimits::default(), "192.0.2.1", None).unwrap()).collect();
        let with = StreamLimits { streams: 3, ..Default::default() };
        assert_eq!(admit(&limits, with, "192.0.2.2", None).unwrap_err(), Limit::Streams);
        drop(running);
        assert!(admit(&limits, with, "192.0.2.2", None).is_ok());
    }

    #[test]
    fn whoever_knocks_too_often_waits() {
        let with = StreamLimits { connects_per_second_per_address: 2, ..Default::default() };
        let limits = Limits::default();
        let knock = |address: &str| limits.knock(&with, address.parse().unwrap());
        assert_eq!((knock("2001:db8::1"), knock("2001:db8::2")), (Ok(()), Ok(())));
        assert_eq!(knock("2001:db8::3"), Err(Limit::ConnectsPerSecondPerAddress));
        assert_eq!(knock("2001:db8:0:1::1"), Ok(()));
        for _ in 0..100 {
            assert_eq!(limits.knock(&StreamLimits::default(), [192, 0, 2, 1].into()), Ok(()));
        }
    }
}
