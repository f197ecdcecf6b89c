//! What the control API and a scenario do, apart from how they are asked.

mod load;
mod push;

use std::sync::Arc;

use actix_web::http::StatusCode;

pub use self::load::Load;
pub(crate) use self::{load::MAX_CREDIT, push::NewPushes};
use crate::{
    account::Account,
    chaos::StartChaos,
    cut::Cut,
    faults::Faults,
    frame::Frame,
    problem::Problem,
    service::Service,
    which::{Which, some},
};

/// Something that a step of a scenario does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Sends pushes.
    Push(NewPushes),
    /// Ends sockets.
    Cut(Cut),
    /// Sets exactly these faults.
    Faults(Arc<Faults>),
    /// Sends a hostile frame on the newest socket.
    Frame(Frame),
    /// Starts a load.
    Load(Load),
    /// Starts chaos.
    Chaos(StartChaos),
    /// Ends chaos.
    EndChaos,
    /// Forgets all pushes.
    Forget,
}

/// The accounts that an action is done to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// All that exist then.
    All,
    /// Only these.
    Which(Which),
}

impl Target {
    fn accounts(&self, service: &Service) -> Result<Vec<Arc<Account>>, Problem> {
        match self {
            Self::All => some(service.accounts()),
            Self::Which(which) => which.accounts(service),
        }
    }
}

impl Action {
    /// Does it. The first account that can't take it ends it.
    pub(crate) fn perform(&self, target: &Target, service: &Service) -> Result<(), Problem> {
        match self {
            Self::Load(load) => return load.start(service).map(drop),
            Self::Chaos(chaos) => return chaos.start(service).map(drop),
            Self::EndChaos => service.end_chaos(),
            Self::Forget => service.forget(),
            Self::Faults(faults) if matches!(target, Target::All) => service.set_all_faults(faults),
            Self::Push(_) | Self::Cut(_) | Self::Faults(_) | Self::Frame(_) => {
                for account in target.accounts(service)? {
                    self.perform_on(account, service)?;
                }
            }
        }
        Ok(())
    }

    fn perform_on(&self, account: Arc<Account>, service: &Service) -> Result<(), Problem> {
        match self {
            Self::Push(pushes) => pushes.send(account, service).map(drop),
            Self::Cut(cut) => {
                account.cut(cut.ending("cut by hand"));
                Ok(())
            }
            Self::Faults(faults) => {
                account.set_faults(faults.clone());
                Ok(())
            }
            Self::Frame(frame) => send_frame(frame, &account),
            Self::Load(_) | Self::Chaos(_) | Self::EndChaos | Self::Forget => Ok(()),
        }
    }
}

/// Sends a frame on the newest socket of an account.
pub(crate) fn send_frame(frame: &Frame, account: &Account) -> Result<(), Problem> {
    let taken = account.connected() && account.send_raw(frame.to_wire());
    taken.then_some(()).ok_or_else(|| Problem::new(StatusCode::CONFLICT, "no socket, or too many frames wait on it"))
}
