use actix_web::{HttpRequest, web};
use utoipa::IntoParams;

use crate::problem::Problem;

/// The parameters of a request's query, in their order. A name may come several times; broken percent-encoding is read
/// leniently, as a browser's `URLSearchParams` does.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

/// How many items a page has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimit {
    /// Without `limit`.
    pub(crate) default: usize,
    /// The most; more asked for counts as this.
    pub(crate) max: usize,
}

impl PageLimit {
    /// That of every list.
    pub(crate) const LIST: Self = Self { default: 100, max: 1000 };
}

/// How long a page is, for those who read the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameter")]
pub(crate) struct PageParams {
    /// How many items at most; more than 1000 counts as 1000.
    #[param(minimum = 1, default = 100)]
    limit: Option<usize>,
}

impl Query {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self::parse(request.query_string())
    }

    fn parse(text: &str) -> Self {
        // Reading into pairs of text can't fail: the parser has no other error than a value of a wrong type.
        Self(web::Query::from_query(text).map(web::Query::into_inner).unwrap_or_default())
    }

    /// The first value of `name` that is not empty.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Every value of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The number in `after`, where a list goes by numbers.
    pub(crate) fn after(&self) -> Result<Option<u64>, Problem> {
        self.get("after").map(|text| number(text).ok_or(Problem::InvalidAfter)).transpose()
    }

    /// The value of `limit`, clamped.
    pub(crate) fn limit(&self, bounds: PageLimit) -> Result<usize, Problem> {
        let Some(text) = self.all("limit").next() else { return Ok(bounds.default) };
        match number(text) {
            None | Some(0) => Err(Problem::InvalidLimit { max: bounds.max }),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(usize::MAX).min(bounds.max)),
        }
    }
}

/// A number of digits alone. One that overflows is only a large one.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_repeats_and_order() {
        let query = Query::parse("tenant=b&tenant=a%2Db&x=&x=1+2");
        assert_eq!(query.all("tenant").collect::<Vec<_>>(), ["b", "a-b"]);
        assert_eq!(query.get("x"), Some("1 2"));
        assert_eq!(query.get("y"), None);
    }

    #[test]
    fn broken_encoding_is_never_an_error() {
        for text in ["%", "%zz=%ff", "&&==&", "tenant", "\u{1}=\u{2}"] {
            Query::parse(text);
        }
        assert_eq!(Query::parse("a=%ff").get("a"), Some("\u{fffd}"));
    }

    #[test]
    fn a_position_is_a_number_and_may_be_any_large_one() {
        let after = |text: &str| Query::parse(text).after().ok();
        assert_eq!(after(""), Some(None));
        assert_eq!(after("after="), Some(None));
        assert_eq!(after("after=7"), Some(Some(7)));
        assert_eq!(after("after=99999999999999999999999"), Some(Some(u64::MAX)));
        for bad in ["after=-1", "after=+1", "after=1.0", "after=first"] {
            assert_eq!(after(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_limit_is_clamped_above_and_refused_below() {
        let limit = |text: &str| Query::parse(text).limit(PageLimit::LIST).ok();
        assert_eq!(limit(""), Some(100));
        assert_eq!(limit("limit=1"), Some(1));
        assert_eq!(limit("limit=1000"), Some(1000));
        assert_eq!(limit("limit=1001"), Some(1000));
        assert_eq!(limit("limit=99999999999999999999999"), Some(1000));
        for bad in ["limit=0", "limit=-1", "limit=", "limit=ten", "limit=1.5", "limit=+5x"] {
            assert_eq!(limit(bad), None, "{bad}");
        }
    }
}
