use jsonwebtoken::{EncodingKey, Header, encode};
use pushgate_http::{AuthMode, JwtConfig, Keys, VerifyKey};
use serde_json::{Value, json};

use crate::{
    client::{Stream, get},
    gateway::Gateway,
};

fn open(gateway: &Gateway, path: &str) -> Stream {
    let (mut stream, _) = Stream::events(gateway.public, path, &["User-Agent: curl/8"]);
    stream.until("event: open");
    stream
}

#[test]
fn subscribers_see_each_other_by_their_network() {
    let gateway = Gateway::start();
    let _streams = [open(&gateway, "/events/acme"), open(&gateway, "/events?tenant=globex&tenant=acme")];
    gateway.wait_for_subscribers("acme", 2);
    let answer = get(gateway.public, "/tenants/acme/subscribers", &[]);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let page = answer.json();
    let subscribers = page["subscribers"].as_array().unwrap();
    assert_eq!((subscribers.len(), &page["next"]), (2, &Value::Null));
    let one = &subscribers[0];
    let keys: Vec<_> = one.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["address", "bytes", "cursor", "id", "lag", "since", "tenants", "user_agent"]);
    assert_eq!((&one["address"], &one["user_agent"]), (&json!("127.0.0.0/24"), &json!("curl/8")));
    assert_eq!((&one["tenants"], &one["lag"]), (&json!(["acme"]), &json!(0)));
    assert!(one["bytes"].as_u64().unwrap() > 0);
    assert_eq!(subscribers[1]["tenants"].as_array().unwrap().len(), 2);
}

const SECRET: &str = "a secret that is long enough for HS256";

/// A gateway that asks for tokens.
fn closed() -> Gateway {
    Gateway::start_with(|config| {
        let keys = Keys::Known(vec![VerifyKey::new("HS256", SECRET).unwrap()]);
        config.policy.auth.mode = AuthMode::Jwt(JwtConfig { keys, issuer: None, audience: None, cookie: None });
    })
}

fn bearer(tenants: &[&str], presence: bool) -> String {
    let claims = json!({ "tenants": tenants, "presence": presence, "exp": 4_000_000_000_u64 });
    let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    format!("Authorization: Bearer {token}")
}

#[test]
fn only_a_token_with_presence_may_look() {
    let gateway = closed();
    let ask = |headers: &[&str]| get(gateway.public, "/tenants/acme/subscribers", headers);
    let refused = ask(&[]);
    assert_eq!((refused.status, refused.problem().as_str()), (401, "no-token"));
    let refused = ask(&[&bearer(&["globex"], true)]);
    assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden"));
    let refused = ask(&[&bearer(&["acme"], false)]);
    assert_eq!((refused.status, refused.problem().as_str()), (403, "no-presence"));
    assert_eq!(ask(&[&bearer(&["acme"], true)]).status, 200);
    let unknown = get(gateway.public, "/tenants/nobody/subscribers", &[&bearer(&["*"], false)]);
    assert_eq!(unknown.status, 403, "without the right nobody learns whether a tenant exists");
}

#[test]
fn a_token_does_not_show_of_which_other_tenants_a_stream_is() {
    let gateway = closed();
    let (mut stream, _) =
        Stream::events(gateway.public, "/events?tenant=acme&tenant=globex", &[&bearer(&["*"], false)]);
    stream.until("event: open");
    gateway.wait_for_subscribers("acme", 1);
    let shown = |token: &str| {
        let page = get(gateway.public, "/tenants/acme/subscribers", &[token]).json();
        page["subscribers"][0]["tenants"].clone()
    };
    assert_eq!(shown(&bearer(&["acme"], true)), json!(["acme"]));
    assert_eq!(shown(&bearer(&["*"], true)), json!(["acme", "globex"]));
}

#[test]
fn it_is_read_page_by_page() {
    let gateway = Gateway::start();
    let _streams = [open(&gateway, "/events/acme"), open(&gateway, "/events/acme")];
    gateway.wait_for_subscribers("acme", 2);
    let first = get(gateway.public, "/tenants/acme/subscribers?limit=1", &[]).json();
    assert_eq!(first["subscribers"][0]["id"], first["next"]);
    let second = get(gateway.public, &format!("/tenants/acme/subscribers?after={}", first["next"]), &[]).json();
    assert_eq!((second["subscribers"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    assert_ne!(second["subscribers"][0]["id"], first["next"]);
}

#[test]
fn what_can_not_be_listed_is_a_problem() {
    let gateway = Gateway::start();
    let table = [
        ("/tenants/nobody/subscribers", 404, "unknown-tenant"),
        ("/tenants/No%20tenant/subscribers", 404, "unknown-tenant"),
        ("/tenants/acme/subscribers?limit=0", 400, "invalid-limit"),
        ("/tenants/acme/subscribers?after=first", 400, "invalid-after"),
    ];
    for (path, status, problem) in table {
        let answer = get(gateway.public, path, &[]);
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{path}");
    }
    let unready = Gateway::start_unready();
    let answer = get(unready.public, "/tenants/acme/subscribers", &[]);
    assert_eq!((answer.status, answer.problem().as_str()), (503, "starting"));
}

#[test]
fn both_descriptions_are_served_below_the_base_path_that_they_name() {
    let gateway = Gateway::start();
    for (path, member, version) in [("/openapi.json", "openapi", "3.1."), ("/asyncapi.json", "asyncapi", "3.0.")] {
        let answer = get(gateway.public, path, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let document = answer.json();
        assert!(document[member].as_str().unwrap().starts_with(version), "{path}");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(get(gateway.public, "/openapi.json", &[]).json()["servers"][0]["url"], "/");
    let server = &get(gateway.public, "/asyncapi.json", &[]).json()["servers"]["gateway"];
    assert_eq!((&server["pathname"], &server["protocol"]), (&json!("/"), &json!("http")));
}
