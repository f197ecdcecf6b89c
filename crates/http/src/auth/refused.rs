use pushgate_model::TenantId;

use crate::problem::Problem;

/// Why a request is refused. What it says names the rule, and nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nothing was sent that could say who asks.
    NoToken,
    /// `Authorization` comes several times, or not as Bearer.
    Header,
    /// The token is longer than any is read.
    TooLong,
    /// It is no JWT in its compact form.
    Malformed,
    /// Its `alg` is none of those that count, or not that of its key.
    Algorithm,
    /// It has a `crit`: there is nothing beyond the standard that is understood here.
    Critical,
    /// Its `typ` says that it is something else.
    Type,
    /// No key is known by its `kid`.
    UnknownKey,
    /// Its key did not sign it.
    Signature,
    /// Its `exp` is over.
    Expired,
    /// Its `nbf` is still to come.
    NotYetValid,
    /// Its `iss` is another.
    Issuer,
    /// Its `aud` does not name this gateway.
    Audience,
    /// A claim is missing or can't be read.
    Claim(&'static str),
    /// The ticket is unknown, was used, or waited too long.
    Ticket,
    /// No keys are known yet.
    KeysUnknown,
    /// The token does not name the tenant.
    Forbidden(TenantId),
    /// A cookie came with a request that another site may have made.
    ForeignOrigin,
    /// As many tickets wait as may.
    TooManyTickets,
}

impl Refused {
    /// All that [`Refused::reason`] gives.
    pub(super) const REASONS: [&'static str; 19] = [
        "no_token",
        "header",
        "too_long",
        "malformed",
        "algorithm",
        "critical",
        "type",
        "unknown_key",
        "signature",
        "expired",
        "not_yet_valid",
        "issuer",
        "audience",
        "claim",
        "ticket",
        "keys_unknown",
        "forbidden",
        "foreign_origin",
        "too_many_tickets",
    ];

    /// A word for metrics.
    pub(super) fn reason(&self) -> &'static str {
        let index = match self {
            Self::NoToken => 0,
            Self::Header => 1,
            Self::TooLong => 2,
            Self::Malformed => 3,
            Self::Algorithm => 4,
            Self::Critical => 5,
            Self::Type => 6,
            Self::UnknownKey => 7,
            Self::Signature => 8,
            Self::Expired => 9,
            Self::NotYetValid => 10,
            Self::Issuer => 11,
            Self::Audience => 12,
            Self::Claim(_) => 13,
            Self::Ticket => 14,
            Self::KeysUnknown => 15,
            Self::Forbidden(_) => 16,
            Self::ForeignOrigin => 17,
            Self::TooManyTickets => 18,
        };
        Self::REASONS[index]
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::InvalidToken(match refused {
            Refused::NoToken => return Self::NoToken,
            Refused::KeysUnknown => return Self::KeysUnknown,
            Refused::Forbidden(tenant) => return Self::Forbidden(tenant),
            Refused::ForeignOrigin => return Self::ForeignOrigin,
            Refused::TooManyTickets => return Self::TooManyTickets,
            Refused::Header => "send one Authorization header, as Bearer and the token",
            Refused::TooLong => "the token is longer than 8 KiB",
            Refused::Malformed => "the token is no signed JWT in its compact form",
            Refused::Algorithm => "the token's alg is not that of its key",
            Refused::Critical => "the token has a crit header, and nothing critical is understood here",
            Refused::Type => "the token's typ is neither JWT nor at+jwt",
            Refused::UnknownKey => "no key is known that the token could be signed with",
            Refused::Signature => "the token's signature is wrong",
            Refused::Expired => "the token has expired",
            Refused::NotYetValid => "the token is not valid yet",
            Refused::Issuer => "the token's iss is not the one that counts here",
            Refused::Audience => "the token's aud does not name this gateway",
            Refused::Claim(what) => what,
            Refused::Ticket => "the ticket is unknown, was used before, or waited too long",
        })
    }
}
