use std::collections::HashSet;

use pushgate_model::TenantId;
use pushgate_upstream::{Source, TenantConfig};

use super::{
    header,
    section::Section,
    upstream::{Common, on_quarantine},
    url,
};

/// What an id looks like.
const ID: &str = "must be 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit";

/// `[[tenants]]`; `common` is nothing when `[upstream]` is wrong, which is listed already.
pub(super) fn read(root: &mut Section<'_>, common: Option<&Common>) -> Vec<TenantConfig> {
    let mut ids = HashSet::new();
    root.list("tenants", |section| tenant(section, common, &mut ids))
}

fn tenant(section: &mut Section<'_>, common: Option<&Common>, ids: &mut HashSet<TenantId>) -> Option<TenantConfig> {
    let id = id(section, ids);
    let own_url = own_url(section, common);
    let has_bearer = section.has("bearer");
    let bearer = section.secret("bearer", header::check_token);
    let mut names = HashSet::new();
    let headers = section.secrets("headers", |name, value| {
        let first = names.insert(name.to_ascii_lowercase());
        header::check(name, value, has_bearer)?;
        if first { Ok(()) } else { Err("this header is given twice: upper and lower case are the same".to_owned()) }
    });
    let query = section.secrets("query", header::check_query);
    let enabled = section.flag("enabled", Some(true));
    let inherits_answer = !section.has("on_quarantine");
    let own_answer = on_quarantine(section);
    let on_quarantine = if inherits_answer { common.map(|common| common.on_quarantine) } else { own_answer };
    if inherits_answer && let Some(answer) = on_quarantine {
        section.show("on_quarantine", answer.as_str().into());
    }
    let id = id?;
    let url = url::of(&own_url.or_else(|| common?.url.clone())?, &id);
    Some(TenantConfig {
        id,
        url,
        bearer,
        headers,
        query,
        enabled: enabled?,
        on_quarantine: on_quarantine?,
        source: Source::File,
    })
}

fn id(section: &mut Section<'_>, ids: &mut HashSet<TenantId>) -> Option<TenantId> {
    if !section.has("id") {
        section.missing("id", &format!("is missing: {ID}"));
    }
    let id: TenantId = section.text("id", |text| text.parse().map_err(|_| ID.to_owned()))?;
    if !ids.insert(id.clone()) {
        section.report.contradiction(&[&section.path_of("id")], "an earlier tenant has this id: each needs its own");
    }
    Some(id)
}

fn own_url(section: &mut Section<'_>, common: Option<&Common>) -> Option<String> {
    if !section.has("url") && common.is_some_and(|common| common.url.is_none()) {
        section.missing("url", "is missing: without upstream.url each tenant needs a WebSocket URL of its own");
    }
    section.secretive_text("url", url::template)
}
