use pushgate_fanout::{Fanout, StreamSnapshot};
use pushgate_model::{Cursor, TenantId, Timestamp};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    problem::Problem,
    query::{PageLimit, Query},
};

/// A page of a tenant's subscribers, as operators and, with less in it, subscribers see it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriberPage {
    /// By id, which is also the order in which they came.
    subscribers: Vec<Subscriber>,
    /// What `after` takes for the next page; null on the last one.
    next: Option<u64>,
}

/// One live stream.
#[derive(Serialize, ToSchema)]
struct Subscriber {
    /// Names the stream as long as the gateway runs.
    id: u64,
    /// The tenants that it carries; of these, whoever asks sees those that he may read.
    #[schema(value_type = Vec<String>, example = json!(["acme"]))]
    tenants: Vec<TenantId>,
    /// From where it came: for operators the address, for others its network, `/24` of IPv4 or `/48` of IPv6.
    #[schema(example = "192.0.2.0/24")]
    address: String,
    /// What it says that it is.
    user_agent: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// All up to here was written to it.
    #[schema(value_type = String, example = "5f3a9c01-1042")]
    cursor: Cursor,
    /// How many positions of the log it is behind the newest push of its tenants.
    lag: u64,
    /// Bytes that were written to it, events and comments included.
    bytes: u64,
}

/// Where a page begins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameter")]
pub(crate) struct AfterParams {
    /// Only subscribers with a higher id.
    after: Option<usize>,
}

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    after: Option<u64>,
    limit: usize,
}

impl Part {
    /// What a request asks for.
    ///
    /// # Errors
    /// `after` or `limit` can't be read.
    pub(crate) fn of(query: &Query) -> Result<Self, Problem> {
        Ok(Self { after: query.after()?, limit: query.limit(PageLimit::LIST)? })
    }

    /// The streams of this part, each as `shown`.
    pub(crate) fn page(
        self,
        fanout: &Fanout,
        tenant: &TenantId,
        shown: impl Fn(StreamSnapshot) -> StreamSnapshot,
    ) -> SubscriberPage {
        let mut streams = fanout.streams(tenant);
        streams.retain(|stream| self.after.is_none_or(|after| stream.id > after));
        streams.sort_unstable_by_key(|stream| stream.id);
        let more = streams.len() > self.limit;
        streams.truncate(self.limit);
        let next = streams.last().filter(|_| more).map(|stream| stream.id);
        SubscriberPage { subscribers: streams.into_iter().map(shown).map(Subscriber::from).collect(), next }
    }
}

impl From<StreamSnapshot> for Subscriber {
    fn from(stream: StreamSnapshot) -> Self {
        let StreamSnapshot { id, tenants, address, user_agent, since, cursor, lag, bytes } = stream;
        Self { id, tenants, address, user_agent, since, cursor, lag, bytes }
    }
}
