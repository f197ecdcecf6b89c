use pushgate_model::{TenantId, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{JwtConfig, Scope, refused::Refused};

/// Tenants that a token may name. Whoever may read more needs `["*"]`.
const TENANTS: usize = 1000;

/// In place of all tenants' names.
pub(super) const ALL_TENANTS: &str = "*";

/// What a token must say beside being signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    issuer: Option<String>,
    audience: Option<String>,
}

/// The claims that matter here, as they came. All else, such as `iat`, is not looked at.
#[derive(Deserialize)]
pub(super) struct Claims {
    exp: Option<Value>,
    nbf: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    tenants: Option<Value>,
    presence: Option<Value>,
}

/// What the claims grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) scope: Scope,
    pub(super) presence: bool,
    pub(super) expires_at: Timestamp,
}

impl Rules {
    pub(super) fn of(config: &JwtConfig) -> Self {
        Self { issuer: config.issuer.clone(), audience: config.audience.clone() }
    }

    /// Reads what the claims grant now. There is no leeway: whoever issues tokens to himself a moment ahead of this clock
    /// leaves `nbf` out.
    pub(super) fn granted(&self, claims: &Claims, now: Timestamp) -> Result<Granted, Refused> {
        let expires_at = claims.exp.as_ref().ok_or(Refused::Claim("the token has no exp, which is required"))?;
        let expires_at = date(expires_at).ok_or(Refused::Claim("the token's exp is no number of seconds"))?;
        if now >= expires_at {
            return Err(Refused::Expired);
        }
        if let Some(begin) = &claims.nbf {
            let begin = date(begin).ok_or(Refused::Claim("the token's nbf is no number of seconds"))?;
            if now < begin {
                return Err(Refused::NotYetValid);
            }
        }
        if self.issuer.as_ref().is_some_and(|issuer| claims.iss.as_ref().and_then(Value::as_str) != Some(issuer)) {
            return Err(Refused::Issuer);
        }
        if self.audience.as_ref().is_some_and(|audience| !names(claims.aud.as_ref(), audience)) {
            return Err(Refused::Audience);
        }
        Ok(Granted {
            scope: scope(claims.tenants.as_ref())?,
            presence: presence(claims.presence.as_ref())?,
            expires_at,
        })
    }
}

/// A `NumericDate`: seconds since 1970, maybe with a fraction. What is before counts as 1970, what is after the year 9999 as that.
fn date(value: &Value) -> Option<Timestamp> {
    value.as_f64().map(|seconds| Timestamp::from_millis((seconds * 1000.0) as u64))
}

/// `aud` is a text, or several (RFC 7519, section 4.1.3).
fn names(claim: Option<&Value>, audience: &str) -> bool {
    match claim {
        Some(Value::String(text)) => text == audience,
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}

fn scope(claim: Option<&Value>) -> Result<Scope, Refused> {
    let all = match claim {
        None | Some(Value::Null) => return Err(Refused::Claim("the token has no claim tenants, which is required")),
        Some(Value::Array(all)) => all,
        Some(_) => return Err(Refused::Claim("the token's claim tenants is no list of texts")),
    };
    match all.as_slice() {
        [] => return Err(Refused::Claim("the token's claim tenants is empty")),
        [one] if one.as_str() == Some(ALL_TENANTS) => return Ok(Scope::All),
        all if all.len() > TENANTS => {
            return Err(Refused::Claim("the token's claim tenants has more than 1000 names: use [\"*\"]"));
        }
        _ => {}
    }
    // Passing over a name that can't be one would hide the mistake of whoever issues the tokens.
    let id = |one: &Value| one.as_str().and_then(|text| text.parse::<TenantId>().ok());
    let tenants: Option<Vec<_>> = all.iter().map(id).collect();
    tenants.map(Scope::Some).ok_or(Refused::Claim("the token's claim tenants has a name that no tenant can have"))
}

fn presence(claim: Option<&Value>) -> Result<bool, Refused> {
    match claim {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(presence)) => Ok(*presence),
        Some(_) => Err(Refused::Claim("the token's claim presence is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn granted(rules: (Option<&str>, Option<&str>), claims: &Value) -> Result<Granted, Refused> {
        let rules = Rules { issuer: rules.0.map(str::to_owned), audience: rules.1.map(str::to_owned) };
        let claims: Claims = serde_json::from_value(claims.clone()).unwrap();
        rules.granted(&claims, Timestamp::from_millis(NOW * 1000))
    }

    #[test]
    fn times_count_to_the_moment() {
        let at = |exp: &Value, nbf: &Value| granted((None, None), &json!({"exp":exp,"nbf":nbf,"tenants":["a"]}));
        let far = json!(NOW + 60);
        assert!(at(&json!(NOW + 1), &Value::Null).is_ok() && at(&json!(NOW as f64 + 0.5), &Value::Null).is_ok());
        assert!(
            at(&json!(1e300), &Value::Null).is_ok() && at(&far, &json!(NOW)).is_ok() && at(&far, &json!(-5)).is_ok()
        );
        for over in [json!(NOW), json!(NOW - 1), json!(0), json!(-1), json!(-1e300)] {
            assert_eq!(at(&over, &Value::Null), Err(Refused::Expired), "{over}");
        }
        assert_eq!(at(&far, &json!(NOW + 1)), Err(Refused::NotYetValid));
        for (exp, nbf) in [(json!("1e9"), Value::Null), (json!(true), Value::Null), (far.clone(), json!("0"))] {
            assert!(matches!(at(&exp, &nbf), Err(Refused::Claim(_))), "{exp} {nbf}");
        }
        assert!(matches!(granted((None, None), &json!({"tenants":["a"]})), Err(Refused::Claim(_))));
        assert_eq!(at(&json!(NOW + 1), &Value::Null).unwrap().expires_at.as_millis(), (NOW + 1) * 1000);
    }

    #[test]
    fn issuer_and_audience_count_when_they_are_configured() {
        let both = (Some("https://login.example"), Some("pushgate"));
        let with = |iss: Value, aud: Value| json!({"exp":NOW + 9,"tenants":["a"],"iss":iss,"aud":aud});
        let right = json!("https://login.example");
        assert!(granted(both, &with(right.clone(), json!("pushgate"))).is_ok());
        assert!(granted(both, &with(right.clone(), json!(["other", "pushgate"]))).is_ok());
        assert!(granted((None, None), &with(json!("anybody"), json!("anything"))).is_ok());
        for iss in [json!("https://login.example/"), json!(["https://login.example"]), Value::Null] {
            assert_eq!(granted(both, &with(iss.clone(), json!("pushgate"))), Err(Refused::Issuer), "{iss}");
        }
        for aud in [json!("Pushgate"), json!(["other"]), json!([]), json!({"pushgate":1}), Value::Null] {
            assert_eq!(granted(both, &with(right.clone(), aud.clone())), Err(Refused::Audience), "{aud}");
        }
    }

    #[test]
    fn tenants_are_names_or_all() {
        let scope = |tenants: Value| {
            granted((None, None), &json!({"exp":NOW + 9,"tenants":tenants})).map(|granted| granted.scope)
        };
        let some = |names: &[&str]| Ok(Scope::Some(names.iter().map(|name| name.parse().unwrap()).collect()));
        assert_eq!(scope(json!(["*"])), Ok(Scope::All));
        assert_eq!(scope(json!(["acme", "globex-2"])), some(&["acme", "globex-2"]));
        let many = |count: usize| Value::from((0..count).map(|n| format!("t{n}")).collect::<Vec<_>>());
        assert!(scope(many(TENANTS)).is_ok());
        for bad in [
            Value::Null,
            json!([]),
            json!("acme"),
            json!("*"),
            json!({"acme":true}),
            json!(["acme", "*"]),
            json!(["*", "*"]),
            json!(["Acme"]),
            json!([""]),
            json!([7]),
            many(TENANTS + 1),
        ] {
            assert!(matches!(scope(bad.clone()), Err(Refused::Claim(_))), "{bad}");
        }
    }

    #[test]
    fn presence_has_to_be_said() {
        let presence = |presence: Value| {
            let claims = json!({"exp":NOW + 9,"tenants":["*"],"presence":presence});
            granted((None, None), &claims).map(|granted| granted.presence)
        };
        assert_eq!(presence(json!(true)), Ok(true));
        assert_eq!((presence(json!(false)), presence(Value::Null)), (Ok(false), Ok(false)));
        assert!(matches!(presence(json!("true")), Err(Refused::Claim(_))));
    }
}
