use actix_web::cookie::Cookie;
use pushgate_fanout::Lease;
use pushgate_model::TenantId;

use super::refused::Refused;
use crate::problem::Problem;

/// What whoever asks may do.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// Whose pushes.
    pub(crate) scope: Scope,
    /// Whether it may see who else subscribes.
    pub(crate) presence: bool,
    /// How long.
    pub(crate) lease: Lease,
    /// Names the token that it came by, for limits; nothing without tokens.
    pub(crate) token: Option<TokenDigest>,
    /// What the response has to set: a ticket was redeemed.
    pub(crate) cookie: Option<Cookie<'static>>,
}

/// The SHA-256 of a token: tells tokens apart without keeping them.
pub(crate) type TokenDigest = [u8; 32];

/// The tenants that a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that there are, and will be.
    All,
    /// These.
    Some(Vec<TenantId>),
}

impl Grant {
    /// Whether all of these may be read. Whether they exist is asked later: to whoever has no right to a name, it is
    /// the same.
    ///
    /// # Errors
    /// One of them is not in the token.
    pub(crate) fn check(&self, tenants: &[TenantId]) -> Result<(), Problem> {
        self.scope.check(tenants).map_err(Problem::from)
    }
}

impl Scope {
    pub(super) fn check(&self, tenants: &[TenantId]) -> Result<(), Refused> {
        match self {
            Self::All => Ok(()),
            Self::Some(granted) => match tenants.iter().find(|tenant| !granted.contains(tenant)) {
                None => Ok(()),
                Some(tenant) => Err(Refused::Forbidden(tenant.clone())),
            },
        }
    }
}
