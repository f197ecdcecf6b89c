/// How fast values grow: the gradient of the straight line that lies next to all of them (least squares). Nothing for
/// fewer than two moments.
pub(crate) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let common: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    (spread > 0.0).then(|| common / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_own_slope() {
        let line: Vec<_> = (0..9).map(|n| (f64::from(n) + 100.0, 7.0 - 3.0 * f64::from(n))).collect();
        assert!((slope(&line).unwrap() + 3.0).abs() < 1e-9);
    }

    #[test]
    fn noise_around_a_level_has_none() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 1.0)]), Some(0.0));
    }

    #[test]
    fn a_single_moment_has_no_slope() {
        assert_eq!(slope(&[]), None);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0)]), None);
    }
}
