use pushgate_journal::{Fsync, JournalConfig, Limits, Retention};

use super::{
    quantity::{self, KEPT, TIMER},
    section::Section,
};

/// Positions in the log stay below this, so no tenant ever has more pushes; nor has any disk as many bytes.
const MAX_COUNT: u64 = 1 << 53;
/// The least bytes that are worth a bound.
const MIN_BYTES: u64 = 1 << 10;

/// `[journal]`.
pub(super) fn read(section: &mut Section<'_>) -> Option<JournalConfig> {
    let engine = section.choice("engine", &[("sqlite", ())]);
    let path = section.file("path");
    let dedup = section.duration("dedup", KEPT);
    let fsync = section.text("fsync", fsync);
    let retention = section.table("retention", retention);
    engine?;
    Some(JournalConfig { path: path?, fsync: fsync?, dedup: dedup?, retention: retention?, limits: Limits::default() })
}

fn retention(section: &mut Section<'_>) -> Option<Retention> {
    let max_age = section.duration_or_off("max_age", KEPT);
    let max_pushes_per_tenant = section.integer("max_pushes_per_tenant", 0..=MAX_COUNT, "off");
    let max_bytes = section.size_or_off("max_bytes", MIN_BYTES..=MAX_COUNT);
    let quarantine = section.size_or_off("quarantine", MIN_BYTES..=MAX_COUNT);
    Some(Retention {
        max_age: max_age?,
        max_pushes_per_tenant: max_pushes_per_tenant?,
        max_bytes: max_bytes?,
        quarantine: quarantine?,
    })
}

fn fsync(text: &str) -> Result<Fsync, String> {
    let every = |text| quantity::duration(text).filter(|every| (TIMER.min..=TIMER.max).contains(every));
    match text {
        "always" => Ok(Fsync::Always),
        "never" => Ok(Fsync::Never),
        _ => every(text).map(Fsync::Every).ok_or_else(|| {
            format!("must be \"always\", \"never\" or a duration with a unit, {}, such as \"1s\"", TIMER.words)
        }),
    }
}
