//! The module by which browsers follow streams, and its types.
//!
//! Its parts lie in `assets/client/`, each a module of its own. They are served as one, so that a page loads one file, and a
//! `SharedWorker` is that same file.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header::{self, ETag, EntityTag, HeaderName, IfNoneMatch},
    web::Header,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The parts, each after those that it imports.
const PARTS: [&str; 11] = [
    include_str!("../assets/client/protocol.js"),
    include_str!("../assets/client/timing.js"),
    include_str!("../assets/client/position.js"),
    include_str!("../assets/client/problem.js"),
    include_str!("../assets/client/parser.js"),
    include_str!("../assets/client/line.js"),
    include_str!("../assets/client/member.js"),
    include_str!("../assets/client/hub.js"),
    include_str!("../assets/client/serve.js"),
    include_str!("../assets/client/tabs.js"),
    include_str!("../assets/client/stream.js"),
];

/// What a page may import.
const EXPORTS: &str = "export { PushgateError, connect };\n";

const TYPES: &str = include_str!("../assets/client.d.ts");

static MODULE: LazyLock<Asset> = LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", module()));
static DECLARATIONS: LazyLock<Asset> = LazyLock::new(|| Asset::new("text/plain; charset=utf-8", TYPES.to_owned()));

/// Any page may load it: it holds nothing that is not public.
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A text that is the same for everybody.
struct Asset {
    content_type: &'static str,
    text: String,
    tag: EntityTag,
}

/// `GET /client.js`
pub(crate) async fn client_js(known: Option<Header<IfNoneMatch>>) -> HttpResponse {
    MODULE.answer(known)
}

/// `GET /client.d.ts`
pub(crate) async fn client_d_ts(known: Option<Header<IfNoneMatch>>) -> HttpResponse {
    DECLARATIONS.answer(known)
}

impl Asset {
    fn new(content_type: &'static str, text: String) -> Self {
        let digest = URL_SAFE_NO_PAD.encode(&Sha256::digest(text.as_bytes())[..12]);
        Self { content_type, text, tag: EntityTag::new_strong(digest) }
    }

    fn answer(&'static self, known: Option<Header<IfNoneMatch>>) -> HttpResponse {
        let known = known.is_some_and(|known| match known.into_inner() {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
        });
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header(ETag(self.tag.clone()))
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if known { response.finish() } else { response.content_type(self.content_type).body(self.text.as_str()) }
    }
}

/// All parts without what they import and export among themselves.
fn module() -> String {
    let lines = PARTS.iter().flat_map(|part| part.lines()).filter(|line| !line.starts_with("import "));
    let mut module: String = lines.flat_map(|line| [line.strip_prefix("export ").unwrap_or(line), "\n"]).collect();
    module.push_str(EXPORTS);
    module
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn parts_fit_into_one_module() {
        let module = module();
        let outside: Vec<_> =
            module.lines().filter(|line| line.starts_with("import") || line.starts_with("export")).collect();
        assert_eq!(outside, [EXPORTS.trim_end()]);
        let names: Vec<_> = module.lines().filter_map(declared).collect();
        assert!(names.contains(&"Line") && names.contains(&"connect") && names.contains(&"IDLE"), "{names:?}");
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().len(),
            names.len(),
            "two parts declare the same name: {names:?}"
        );
    }

    #[test]
    fn each_import_names_a_part_that_comes_before() {
        let mut before = BTreeSet::new();
        let names =
            ["protocol", "timing", "position", "problem", "parser", "line", "member", "hub", "serve", "tabs", "stream"];
        for (name, part) in names.into_iter().zip(PARTS) {
            for import in part.lines().filter(|line| line.starts_with("import ")) {
                let from = import.split("from './").nth(1).and_then(|rest| rest.strip_suffix(".js';"));
                assert!(from.is_some_and(|from| before.contains(from)), "{name}: {import}");
            }
            before.insert(name);
        }
    }

    #[test]
    fn nothing_of_it_makes_markup_or_code_of_text() {
        for unsafe_sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
            assert!(!module().contains(unsafe_sink), "{unsafe_sink}");
        }
    }

    /// The name that a line at the top of a part declares.
    fn declared(line: &str) -> Option<&str> {
        let rest = ["const ", "let ", "class ", "function ", "async function "]
            .iter()
            .find_map(|kind| line.strip_prefix(kind))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    }
}
