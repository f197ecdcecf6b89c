use std::rc::Rc;

use actix_web::{
    http::Method,
    web::{self, Data, ServiceConfig},
};
use pushgate_fanout::Shard;

use crate::{
    Deps, PublicConfig,
    asyncapi::{AsyncApi, asyncapi},
    auth::Auth,
    client_js::{client_d_ts, client_js},
    demo,
    edge::not_found,
    endpoint::Endpoint,
    history::history,
    limits::Limits,
    metrics::HttpCounts,
    openapi::{self, PublicApi},
    policy::LivePolicy,
    presence::presence,
    stream,
    tickets::tickets,
    word::word,
};

/// What the routes of the public listener share on one worker thread.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) deps: Deps,
    pub(crate) policy: LivePolicy,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    /// This thread's tails and streams.
    pub(crate) shard: Rc<Shard>,
    pub(crate) counts: HttpCounts,
}

impl Public {
    /// Call on the worker's own thread: the shard belongs to it.
    pub(crate) fn new(deps: &Deps, shared: &Shared) -> Self {
        let Shared { policy, auth, limits, counts } = shared.clone();
        Self { deps: deps.clone(), policy, auth, limits, shard: deps.fanout.shard(), counts }
    }
}

/// What the routes share over all worker threads.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) policy: LivePolicy,
    pub(crate) auth: Auth,
    pub(crate) limits: Limits,
    pub(crate) counts: HttpCounts,
}

/// The routes of the public listener.
pub(crate) fn routes(app: &mut ServiceConfig, public: Public, config: &PublicConfig) {
    app.app_data(Data::new(public));
    app.app_data(Data::new(PublicApi::new(config))).app_data(Data::new(AsyncApi::new(config)));
    if config.base_path.is_empty() {
        below(app, config);
    } else {
        app.service(web::scope(&config.base_path).configure(|scope| below(scope, config)));
    }
    app.default_service(web::to(not_found));
}

/// What is served below the base path.
fn below(app: &mut ServiceConfig, config: &PublicConfig) {
    for endpoint in endpoints() {
        app.service(endpoint.into_resource());
    }
    if config.demo_page {
        demo::routes(app);
    }
}

/// What subscribers reach. A test holds it against the description.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at("/events").get(stream::several),
        Endpoint::at("/events/{tenant}").get(stream::one),
        Endpoint::at("/tenants/{tenant}/pushes").get(history),
        Endpoint::at("/tenants/{tenant}/pushes/{push_id}/ack").on(Method::POST, word),
        Endpoint::at("/tenants/{tenant}/subscribers").get(presence),
        Endpoint::at("/openapi.json").get(openapi::public),
        Endpoint::at("/asyncapi.json").get(asyncapi),
        Endpoint::at("/tickets").on(Method::POST, tickets),
        Endpoint::at("/client.js").get(client_js),
        Endpoint::at("/client.d.ts").get(client_d_ts),
    ]
}
