use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{PublicApi, admin};
use crate::{
    AuthMode, CookieName, JwtConfig, Keys, Policy, PublicConfig, admin as admin_listener, endpoint::Endpoint,
    public as public_listener,
};

const METHODS: [&str; 4] = ["get", "put", "post", "delete"];

fn admin_document() -> Value {
    serde_json::to_value(admin::document()).unwrap()
}

fn public_document(mode: AuthMode, base_path: &str) -> Value {
    let mut policy = Policy::default();
    policy.auth.mode = mode;
    let config = PublicConfig {
        bind: ([127, 0, 0, 1], 0).into(),
        stall_timeout: Duration::ZERO,
        base_path: base_path.to_owned(),
        tls: None,
        head_timeout: Duration::ZERO,
        hand_over: true,
        workers: 1,
        demo_page: false,
    };
    serde_json::to_value(PublicApi::new(&config).document(&policy)).unwrap()
}

fn jwt() -> AuthMode {
    let cookie = Some(CookieName::new("login").unwrap());
    AuthMode::Jwt(JwtConfig { keys: Keys::Known(Vec::new()), issuer: None, audience: None, cookie })
}

/// Every document that may be served.
fn documents() -> [Value; 3] {
    [admin_document(), public_document(AuthMode::None, ""), public_document(jwt(), "/push")]
}

/// Every operation with its path and method.
fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path} has {method}");
            all.insert((path.clone(), method.clone()), operation.clone());
        }
    }
    all
}

/// Calls `visit` for every object in the document.
fn walk(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| walk(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

fn routes(endpoints: Vec<Endpoint>) -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for endpoint in endpoints {
        for method in endpoint.methods().iter().filter(|method| *method != Method::HEAD) {
            assert!(routes.insert((endpoint.path().to_owned(), method.as_str().to_ascii_lowercase())));
        }
    }
    routes
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let described = |document: &Value| operations(document).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(described(&admin_document()), routes(admin_listener::endpoints()));
    assert_eq!(described(&public_document(AuthMode::None, "")), routes(public_listener::endpoints()));
}

#[test]
fn paths_come_after_the_base_path() {
    assert_eq!(public_document(AuthMode::None, "")["servers"], json!([{ "url": "/" }]));
    assert_eq!(public_document(AuthMode::None, "/push")["servers"], json!([{ "url": "/push" }]));
}

#[test]
fn security_of_the_public_listener_follows_the_settings() {
    let (open, closed) = (public_document(AuthMode::None, ""), public_document(jwt(), ""));
    assert_eq!(open["components"]["securitySchemes"], Value::Null);
    let schemes = &closed["components"]["securitySchemes"];
    assert_eq!((&schemes["bearer"]["scheme"], &schemes["cookie"]["name"]), (&json!("bearer"), &json!("login")));
    assert_eq!((&schemes["ticket"]["in"], &schemes["ticket"]["name"]), (&json!("query"), &json!("ticket")));
    for ((path, method), operation) in operations(&closed) {
        let everybody = operation["responses"]["401"].is_null();
        let expected = match path.as_str() {
            _ if everybody => json!([{}]),
            "/events" | "/events/{tenant}" => json!([{ "bearer": [] }, { "cookie": [] }, { "ticket": [] }]),
            _ => json!([{ "bearer": [] }, { "cookie": [] }]),
        };
        assert_eq!(operation["security"], expected, "{method} {path}");
        assert_eq!(everybody, path.rfind('.').is_some_and(|dot| dot > 0), "only files are for everybody: {path}");
        assert_eq!(operations(&open)[&(path, method)]["security"], json!([{}]));
    }
}

#[test]
fn it_is_a_whole_document_of_version_3_1() {
    for document in documents() {
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document["info"]["title"].as_str().is_some_and(|title| !title.is_empty()));
        let known: BTreeSet<&str> = ["openapi", "info", "servers", "paths", "components", "security", "tags"].into();
        assert!(document.as_object().unwrap().keys().all(|key| known.contains(key.as_str())), "{document}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    for document in documents() {
        let mut count = 0;
        walk(&document, &mut |object| {
            if let Some(reference) = object.get("$ref") {
                let pointer = reference.as_str().unwrap().strip_prefix('#').expect("references stay in the document");
                assert!(document.pointer(pointer).is_some(), "{reference}");
                count += 1;
            }
        });
        assert!(count > 50, "{count}");
    }
}

#[test]
fn no_schema_speaks_of_nullable() {
    walk(&json!(documents()), &mut |object| {
        assert!(!object.contains_key("nullable"), "3.1 has types for that: {object:?}");
        if let Some(kind) = object.get("type").filter(|kind| !kind.is_object()) {
            let names = kind.as_array().cloned().unwrap_or_else(|| vec![kind.clone()]);
            let known = ["null", "boolean", "object", "array", "number", "string", "integer", "http", "apiKey"];
            assert!(names.iter().all(|name| known.iter().any(|known| name == known)), "{kind}");
        }
    });
}

#[test]
fn operations_are_told_apart_and_say_what_they_do() {
    for document in documents() {
        let operations = operations(&document);
        let ids: BTreeSet<_> =
            operations.values().map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), operations.len());
        let tags: BTreeSet<_> =
            document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
        for (at, operation) in &operations {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{at:?}");
            assert!(
                operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(tag.as_str().unwrap())),
                "{at:?}"
            );
        }
    }
}

#[test]
fn the_parts_of_a_path_are_its_parameters() {
    for ((path, method), operation) in documents().iter().flat_map(operations) {
        let in_path: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(str::to_owned).collect();
        let mut described = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
            assert!(seen.insert((name.to_owned(), place.to_owned())), "{method} {path} {name}");
            assert!(["path", "query", "header"].contains(&place), "{parameter}");
            assert!(parameter["schema"].is_object() && parameter["description"].is_string(), "{parameter}");
            // A stream of several tenants names them in its query.
            assert_eq!(
                parameter["required"],
                place == "path" || (path == "/events" && name == "tenant"),
                "{parameter}"
            );
            if place == "path" {
                described.insert(name.to_owned());
            }
        }
        assert_eq!(described, in_path, "{method} {path}");
    }
}

#[test]
fn every_error_is_described_as_a_problem() {
    for ((path, method), operation) in documents().iter().flat_map(operations) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        for (status, response) in responses {
            assert!(status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)), "{status}");
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} {status}");
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            let failed = status.starts_with(['4', '5']);
            assert_eq!(problem == "#/components/schemas/Problem", failed, "{method} {path} {status}");
        }
    }
}

#[test]
fn the_token_is_asked_of_all_but_probes() {
    let document = admin_document();
    assert_eq!(document["components"]["securitySchemes"]["admin_token"]["scheme"], "bearer");
    assert!(document["security"][0]["admin_token"].is_array());
    for ((path, _), operation) in operations(&document) {
        let probe = path == "/healthz" || path == "/readyz";
        assert_eq!(operation["responses"]["401"].is_null(), probe, "{path}");
        assert_eq!(operation["security"], if probe { serde_json::json!([{}]) } else { Value::Null }, "{path}");
    }
}
