use crate::{client::get, gateway::Gateway};

const FILES: [(&str, &str); 2] =
    [("/client.js", "text/javascript; charset=utf-8"), ("/client.d.ts", "text/plain; charset=utf-8")];

#[test]
fn the_module_is_for_every_page() {
    let gateway = Gateway::start();
    for (path, content_type) in FILES {
        let answer = get(gateway.public, path, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("content-security-policy"), None, "a worker would be bound by it");
        assert!(answer.body.contains("connect"));
    }
}

#[test]
fn the_module_is_sent_again_only_when_it_changed() {
    let gateway = Gateway::start();
    for (path, _) in FILES {
        let answer = get(gateway.public, path, &[]);
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        let tag = answer.header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = get(gateway.public, path, &[&format!("If-None-Match: {known}")]);
            assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())), "{known}");
            assert_eq!(again.header("cross-origin-resource-policy"), Some("cross-origin"));
        }
        assert_eq!(get(gateway.public, path, &["If-None-Match: \"other\""]).status, 200);
    }
}

#[test]
fn the_module_is_below_the_base_path() {
    let gateway = Gateway::start_with(|config| config.public.base_path = "/push".to_owned());
    assert_eq!(get(gateway.public, "/push/client.js", &[]).status, 200);
    assert_eq!(get(gateway.public, "/client.js", &[]).status, 404);
}
