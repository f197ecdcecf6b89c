use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use pushgate_fanout::StreamSnapshot;
use pushgate_model::TenantId;

use crate::{
    auth::{Grant, Intent},
    edge::no_store_json,
    lifecycle::Phase,
    problem::Problem,
    public::Public,
    query::Query,
    subscribers::Part,
};

/// How much of an IPv4 address subscribers see of each other.
const PREFIX_V4: u32 = 24;

/// The same of an IPv6 address: a site commonly has a /48 (RFC 6177), so this names a site and nobody in it.
const PREFIX_V6: u32 = 48;

/// `GET /tenants/{tenant}/subscribers`: who else reads this tenant, for whoever has the right to know.
pub(crate) async fn presence(request: HttpRequest, public: Data<Public>) -> Result<HttpResponse, Problem> {
    let tenant: TenantId = request.match_info().query("tenant").parse()?;
    let query = Query::of(&request);
    let grant = public.auth.authorize(&request, &query, Intent::Read, std::slice::from_ref(&tenant)).await?;
    if !grant.presence {
        return Err(Problem::NoPresence);
    }
    let part = Part::of(&query)?;
    if public.deps.lifecycle.phase() == Phase::Starting {
        return Err(Problem::NotServing(Phase::Starting));
    }
    if !public.deps.directory.contains(&tenant) {
        return Err(Problem::UnknownTenant(tenant));
    }
    Ok(no_store_json(&part.page(&public.deps.fanout, &tenant, |stream| shown(stream, &grant))))
}

/// What others may know of a stream: nobody learns of a tenant that he may not read, nor where a person sits.
fn shown(mut stream: StreamSnapshot, grant: &Grant) -> StreamSnapshot {
    stream.tenants.retain(|tenant| grant.check(std::slice::from_ref(tenant)).is_ok());
    stream.address = network(&stream.address);
    stream
}

/// The network of an address; nothing of what is no address.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let network = Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << (u32::BITS - PREFIX_V4)));
            format!("{network}/{PREFIX_V4}")
        }
        Ok(IpAddr::V6(address)) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (u128::BITS - PREFIX_V6)));
            format!("{network}/{PREFIX_V6}")
        }
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use pushgate_fanout::Lease;

    use super::*;
    use crate::auth::Scope;

    fn grant(scope: Scope) -> Grant {
        Grant { scope, presence: true, lease: Lease::default(), token: None, cookie: None }
    }

    fn stream(tenants: &[&str]) -> StreamSnapshot {
        StreamSnapshot {
            id: 7,
            tenants: tenants.iter().map(|id| id.parse().unwrap()).collect(),
            address: "192.0.2.77".to_owned(),
            user_agent: Some("curl/8".to_owned()),
            since: SystemTime::now().into(),
            cursor: "e-9".parse().unwrap(),
            lag: 3,
            bytes: 99,
        }
    }

    #[test]
    fn an_address_is_known_by_its_network_only() {
        let table = [
            ("192.0.2.77", "192.0.2.0/24"),
            ("127.0.0.1", "127.0.0.0/24"),
            ("255.255.255.255", "255.255.255.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("::1", "::/48"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
            ("no address", ""),
        ];
        for (address, expected) in table {
            assert_eq!(network(address), expected, "{address}");
        }
    }

    #[test]
    fn tenants_outside_of_the_grant_are_not_told() {
        let acme = || grant(Scope::Some(vec!["acme".parse().unwrap()]));
        assert_eq!(shown(stream(&["acme", "globex"]), &acme()).tenants, stream(&["acme"]).tenants);
        let all = shown(stream(&["acme", "globex"]), &grant(Scope::All));
        assert_eq!((all.tenants, all.address.as_str()), (stream(&["acme", "globex"]).tenants, "192.0.2.0/24"));
    }
}
