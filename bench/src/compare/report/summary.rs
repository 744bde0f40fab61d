//! How does filch stand against the best peer, and against each?
//!
//! Ratios of medians, above one where filch is ahead. Of one workload's variants the geometric mean is told, which treats twice as fast and
//! twice as slow alike, with the extremes beside it. Rejected: one number over all workloads. It would be a matter of which workloads
//! there are, and empty alone has twelve variants. Where the rounds of filch and of the best peer overlap, neither is called ahead.

use super::data::{Data, Row, Told};

/// filch against whoever else is best, in one variant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Duel<'a> {
    pub(super) filch: &'a Row,
    pub(super) best: &'a Row,
    pub(super) ratio: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Ahead,
    Behind,
    /// The rounds of the two overlap.
    Open,
}

/// The mean of several ratios, and their extremes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratios {
    pub(super) mean: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) count: usize,
}

impl Duel<'_> {
    pub(super) fn verdict(&self) -> Verdict {
        let (filch, best) = (self.filch, self.best);
        if filch.min <= best.max && best.min <= filch.max {
            Verdict::Open
        } else if self.ratio > 1.0 {
            Verdict::Ahead
        } else {
            Verdict::Behind
        }
    }
}

impl Ratios {
    /// Of none there is none.
    fn of(ratios: impl Iterator<Item = f64>) -> Option<Self> {
        let ratios: Vec<f64> = ratios.filter(|ratio| *ratio > 0.0).collect();
        let count = ratios.len();
        let logarithms: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        (count > 0).then(|| Self {
            mean: (logarithms / count as f64).exp(),
            least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            most: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            count,
        })
    }
}

/// One for each variant of the workload that somebody else does too.
pub(super) fn duels<'a>(data: &'a Data, told: &'a Told) -> Vec<Duel<'a>> {
    let variants = data.variants(told);
    let duel = |variant: &str| {
        let rows = data.rows_in(told, variant);
        let filch = *rows.iter().find(|row| row.is_filch())?;
        let others = rows.iter().filter(|row| !row.is_filch());
        let (best, ratio) = others
            .filter_map(|row| Some((*row, row.ratio?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Duel { filch, best, ratio })
    };
    variants.into_iter().filter_map(duel).collect()
}

/// filch against the best of each variant of a workload.
pub(super) fn against_the_best(duels: &[Duel<'_>]) -> Option<Ratios> {
    Ratios::of(duels.iter().map(|duel| duel.ratio))
}

/// filch against one peer in all variants of a workload that it does.
pub(super) fn against(data: &Data, told: &Told, peer: &str) -> Option<Ratios> {
    let rows = data.rows_of(told).filter(|row| row.peer == peer);
    Ratios::of(rows.filter_map(|row| row.ratio))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{data, row};
    use super::*;

    #[test]
    fn the_mean_of_ratios_is_the_geometric_one() {
        let ratios = Ratios::of([4.0, 1.0].into_iter()).expect("there are some");
        assert!((ratios.mean - 2.0).abs() < 1e-12);
        assert_eq!((ratios.least, ratios.most, ratios.count), (1.0, 4.0, 2));
        assert_eq!(Ratios::of([].into_iter()), None);
        assert_eq!(Ratios::of([0.0].into_iter()), None);
    }

    #[test]
    fn the_best_peer_is_the_one_closest_to_filch() {
        let data = data(vec![
            row("w", "a,1", "filch", 10.0),
            row("w", "a,1", "slow", 30.0),
            row("w", "a,1", "quick", 20.0),
            row("w", "b,1", "filch", 10.0),
            row("w", "b,1", "slow", 5.0),
            row("w", "c,1", "filch", 1.0),
        ]);
        let duels = duels(&data, &data.workloads[0]);
        let best: Vec<_> = duels.iter().map(|duel| duel.best.peer.as_str()).collect();
        assert_eq!(best, ["quick", "slow"]);
        let ratios = against_the_best(&duels).expect("there are some");
        assert!((ratios.mean - 1.0).abs() < 1e-12, "{ratios:?}");
        let slow = against(&data, &data.workloads[0], "slow").expect("it takes part");
        assert_eq!((slow.least, slow.most, slow.count), (0.5, 3.0, 2));
        assert!(against(&data, &data.workloads[0], "nobody").is_none());
    }

    #[test]
    fn who_overlaps_is_neither_ahead_nor_behind() {
        let verdict = |filch: (f64, f64), best: (f64, f64), ratio| {
            let mut rows = [row("w", "a", "filch", 1.0), row("w", "a", "best", 1.0)];
            (rows[0].min, rows[0].max) = filch;
            (rows[1].min, rows[1].max) = best;
            let [filch, best] = &rows;
            Duel { filch, best, ratio }.verdict()
        };
        assert_eq!(verdict((1.0, 2.0), (3.0, 4.0), 2.0), Verdict::Ahead);
        assert_eq!(verdict((3.0, 4.0), (1.0, 2.0), 0.5), Verdict::Behind);
        assert_eq!(verdict((1.0, 3.0), (2.0, 4.0), 1.5), Verdict::Open);
        assert_eq!(verdict((1.0, 9.0), (2.0, 4.0), 1.5), Verdict::Open);
        // Of a rate more is better: the ratio says who is ahead, not the order of the figures.
        assert_eq!(verdict((3.0, 4.0), (1.0, 2.0), 2.0), Verdict::Ahead);
    }
}
