use std::time::Duration;

use clap::ValueEnum;

use super::{
    fan_out::Shape,
    publisher::Pace,
    server::{Kind, Place},
};

/// A row of the table of budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cell {
    /// 1 tenant with 10,000 subscribers, 16 pushes under way
    Many10000,
    /// 1,000 tenants with 10 subscribers each, 16,000 pushes under way: 16 of each tenant
    Ch1000x10,
    /// 1,000 tenants with 10 subscribers each, 1,000 pushes under way: one of each tenant
    Ch1000One,
    /// 1 tenant with 10,000 subscribers, one push under way
    One10000,
    /// 1 tenant with 1,000 subscribers, one push under way; server and crowd on one core
    Pin1000,
    /// 1 tenant with 1,000 subscribers, 20 pushes a second
    Lat1000,
    /// 10,000 streams to which nothing comes but heartbeats
    Idle,
    /// 5,000 tenants, every answer durable: answers a second, and how long they take at half of the budget
    Ingest,
    /// 100 subscribers that come at once for 100,000 stored pushes each, beside live ones
    Replay,
    /// What a delivery costs with 100 to 10,000 subscribers of one tenant, one push under way
    GrowthSubscribers,
    /// What a push costs with 10 to 5,000 tenants, at 5,000 pushes a second
    GrowthTenants,
}

impl Cell {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Many10000 => "many10000",
            Self::Ch1000x10 => "ch1000x10",
            Self::Ch1000One => "ch1000one",
            Self::One10000 => "one10000",
            Self::Pin1000 => "pin1000",
            Self::Lat1000 => "lat1000",
            Self::Idle => "idle",
            Self::Ingest => "ingest",
            Self::Replay => "replay",
            Self::GrowthSubscribers => "growth-subscribers",
            Self::GrowthTenants => "growth-tenants",
        }
    }

    /// What it is, in the words of its help.
    pub(crate) fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The servers that it compares, which take turns in each round.
    pub(crate) fn servers(self) -> &'static [Kind] {
        match self {
            Self::Many10000 | Self::Ch1000x10 | Self::Ch1000One => {
                &[Kind::Raw, Kind::Joining, Kind::Single, Kind::Pushgate, Kind::Nchan]
            }
            Self::One10000 => &[Kind::Raw, Kind::Single, Kind::Pushgate, Kind::Nchan],
            Self::Pin1000 | Self::Lat1000 => &[Kind::Raw, Kind::Pushgate, Kind::Nchan],
            Self::GrowthSubscribers => &[Kind::Raw, Kind::Pushgate],
            Self::Idle => &[Kind::Pushgate, Kind::Nchan],
            Self::Ingest | Self::Replay | Self::GrowthTenants => &[Kind::Pushgate],
        }
    }

    /// What varies within it: subscribers, tenants, or nothing.
    pub(crate) fn steps(self) -> &'static [u64] {
        match self {
            Self::GrowthSubscribers => &[100, 1000, 10_000],
            Self::GrowthTenants => &[10, 500, 5000],
            _ => &[0],
        }
    }

    /// Of the cells that publish to a crowd.
    pub(crate) fn shape(self, step: u64, time: Duration, crowd: usize) -> Option<Shape> {
        let shape = |tenants, subscribers, pace| {
            let place = if self == Self::Pin1000 { Place::OneCore } else { Place::Anywhere };
            Some(Shape { tenants, subscribers, pace, place, time, crowd })
        };
        match self {
            Self::Many10000 => shape(1, 10_000, Pace::Window(16)),
            Self::Ch1000x10 => shape(1000, 10, Pace::Window(16_000)),
            Self::Ch1000One => shape(1000, 10, Pace::Window(1000)),
            Self::One10000 => shape(1, 10_000, Pace::Window(1)),
            Self::Pin1000 => shape(1, 1000, Pace::Window(1)),
            // Its p99 is of two hundred pushes.
            Self::Lat1000 => shape(1, 1000, Pace::PerSecond(20.0)).map(|shape| Shape { time: time * 2, ..shape }),
            Self::GrowthSubscribers => shape(1, step as usize, Pace::Window(1)),
            Self::Idle | Self::Ingest | Self::Replay | Self::GrowthTenants => None,
        }
    }
}
