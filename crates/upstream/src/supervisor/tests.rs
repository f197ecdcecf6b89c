use super::*;

#[test]
fn pauses_double_up_to_ten_minutes() {
    assert_eq!(pause_after(1), Duration::from_secs(1));
    assert_eq!(pause_after(2), Duration::from_secs(2));
    assert_eq!(pause_after(5), Duration::from_secs(16));
    assert_eq!(pause_after(100), LONGEST_PAUSE);
}
