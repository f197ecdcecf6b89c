use actix_web_actors::ws::CloseCode;
use serde::{Deserialize, Serialize};

use crate::slot::Ending;

/// How sockets are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cut {
    /// The code of the Close frame, 1000 to 4999; without one the TCP connection just ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) close: Option<u16>,
}

impl Cut {
    /// What is wrong with the code, which users know by the name `key`.
    pub(crate) fn mistake(self, key: &str) -> Option<String> {
        let wrong = self.close.is_some_and(|code| !(1000..5000).contains(&code));
        wrong.then(|| format!("{key} is 1000 to 4999"))
    }

    /// The end of a socket, for a Close frame with this reason.
    pub(crate) fn ending(self, why: &'static str) -> Ending {
        self.close.map_or(Ending::Drop, |code| Ending::Close(CloseCode::from(code), why))
    }
}
