//! What came of it: figures, ratios, a line of JSON?

use super::peer::Found;
use super::process::Round;
use super::workload::Case;
use crate::stats::Spread;
use indicatif::ProgressBar;
use serde::Serialize;

/// One peer in one variant of a workload.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) case: &'a Case,
    pub(super) peer: &'a Found,
    pub(super) outcome: Outcome,
    /// filch's median, once everybody is done.
    pub(super) filch_median: Option<f64>,
}

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// What each round has measured.
    Rounds(Vec<Round>),
    /// It is nothing that it does.
    Cannot(String),
    /// It broke.
    Failed(String),
}

impl<'a> Row<'a> {
    pub(super) fn new(case: &'a Case, peer: &'a Found) -> Self {
        Self {
            case,
            peer,
            outcome: Outcome::Rounds(Vec::with_capacity(case.rounds)),
            filch_median: None,
        }
    }

    /// Adds a round.
    pub(super) fn add(&mut self, round: Round) {
        if let Outcome::Rounds(rounds) = &mut self.outcome {
            rounds.push(round);
        }
    }

    /// What was measured as the one figure that this case tells, in its unit.
    fn figure(&self, round: &Round) -> f64 {
        let (unit, size) = (self.case.unit(), self.case.job.size);
        unit.of(self.case.statistic.of(round), size)
    }

    /// What it has measured before is told no more: a peer that breaks now and then is broken.
    pub(super) fn fail(&mut self, why: String, bar: &ProgressBar) {
        bar.suspend(|| {
            let (workload, variant) = (self.case.workload.name, &self.case.variant);
            eprintln!("{} failed at {workload} {variant}: {why}", self.peer.name);
        });
        self.outcome = Outcome::Failed(why);
    }

    /// The figure of each round, if it has any.
    pub(super) fn figures(&self) -> Option<Vec<f64>> {
        match &self.outcome {
            Outcome::Rounds(rounds) if !rounds.is_empty() => {
                Some(rounds.iter().map(|round| self.figure(round)).collect())
            }
            _ => None,
        }
    }

    /// Their median and extremes.
    pub(super) fn spread(&self) -> Option<Spread> {
        self.figures()
            .map(|figures| Spread::of(figures.into_iter()))
    }

    /// Above one filch is ahead.
    pub(super) fn ratio(&self) -> Option<f64> {
        let (peer, filch) = (self.spread()?.median, self.filch_median?);
        let ratio = if self.case.unit().is_rate() {
            filch / peer
        } else {
            peer / filch
        };
        ratio.is_finite().then_some(ratio)
    }

    /// The line of JSON, without its end; none if there is no figure. Programs read it, so keys and their order stay.
    pub(super) fn json(&self) -> serde_json::Result<Option<String>> {
        let (Some(spread), Outcome::Rounds(rounds)) = (self.spread(), &self.outcome) else {
            return Ok(None);
        };
        serde_json::to_string(&Line {
            workload: self.case.workload.name,
            variant: &self.case.variant,
            peer: self.peer.name,
            version: &self.peer.version,
            unit: self.case.unit().name(),
            median: spread.median,
            min: spread.min,
            max: spread.max,
            rounds: rounds.len(),
            filch_median: self.filch_median,
            ratio: self.ratio(),
            size: self.case.job.size,
        })
        .map(Some)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    workload: &'a str,
    variant: &'a str,
    peer: &'a str,
    version: &'a str,
    unit: &'a str,
    median: f64,
    min: f64,
    max: f64,
    rounds: usize,
    filch_median: Option<f64>,
    ratio: Option<f64>,
    size: usize,
}

/// The rows of a case, made of those of one with the same job, whose processes have measured it too.
pub(super) fn of_case<'a>(measured: &[Row<'a>], case: &'a Case) -> Vec<Row<'a>> {
    let rows = measured.iter().map(|row| Row {
        case,
        peer: row.peer,
        outcome: row.outcome.clone(),
        filch_median: None,
    });
    with_ratios(rows.collect())
}

/// Tells every row of a variant filch's median.
pub(super) fn with_ratios(mut rows: Vec<Row<'_>>) -> Vec<Row<'_>> {
    let filch = rows.iter().find(|row| row.peer.is_filch);
    let median = filch.and_then(Row::spread).map(|spread| spread.median);
    for row in &mut rows {
        row.filch_median = median;
    }
    rows
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::peer::Family;
    use super::super::workload::WORKLOADS;
    use super::*;

    pub(in super::super) fn found(name: &'static str) -> Found {
        Found {
            name,
            what: "somebody",
            is_filch: name == "filch",
            family: Family::Runtime,
            version: "1.2.3".to_owned(),
            program: name.into(),
            first_words: Vec::new(),
        }
    }

    pub(in super::super) fn case() -> Case {
        let cases = WORKLOADS[0].cases(&[2], 1000, 3);
        let mut cases = cases.into_iter();
        cases
            .find(|case| case.variant == "detached,warm,2")
            .expect("it exists")
    }

    #[test]
    fn keys_and_their_order_are_fixed() {
        let (case, filch, peer) = (case(), found("filch"), found("tokio-mt-mimalloc"));
        let mut rows = vec![Row::new(&case, &filch), Row::new(&case, &peer)];
        rows[0].add(Round::of(vec![0.001, 0.002, 0.003]));
        rows[1].add(Round::of(vec![0.5]));
        rows[1].add(Round::of(vec![0.25, 0.125]));
        let rows = with_ratios(rows);
        assert_eq!(
            rows[1].json().expect("it is JSON").expect("it has figures"),
            r#"{"workload":"empty","variant":"detached,warm,2","peer":"tokio-mt-mimalloc","version":"1.2.3","unit":"ms","median":343.75,"min":187.5,"max":500.0,"rounds":2,"filch_median":2.0,"ratio":171.875,"size":1000}"#
        );
        assert_eq!(rows[0].ratio(), Some(1.0));
    }

    #[test]
    fn cases_of_one_job_tell_different_things_of_the_same_answers() {
        let wake_hog = WORKLOADS.iter().find(|one| one.name == "wake-hog");
        let cases = wake_hog.expect("it exists").cases(&[2], 100, 1);
        let [p50, p99] = &cases[..] else {
            panic!("{cases:?}")
        };
        assert!(p50.has_job_of(p99));
        let filch = found("filch");
        let mut row = Row::new(p50, &filch);
        let samples = (1..=100).map(|n| f64::from(n) / 1e6);
        row.add(Round::of(samples.collect()));
        let median = |case| of_case(std::slice::from_ref(&row), case)[0].filch_median;
        let is_near =
            |figure: Option<f64>, what: f64| (figure.expect("it has one") - what).abs() < 1e-9;
        assert!(is_near(median(p50), 50.5), "{row:?}");
        assert!(is_near(median(p99), 99.0), "{row:?}");
    }

    #[test]
    fn who_has_no_figures_has_no_line() {
        let (case, peer) = (case(), found("may"));
        let mut row = Row::new(&case, &peer);
        assert!(row.json().expect("no error").is_none());
        row.add(Round::of(vec![0.5]));
        row.fail("it broke".to_owned(), &ProgressBar::hidden());
        assert!(row.json().expect("no error").is_none());
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        let (case, filch) = (case(), found("filch"));
        let mut row = Row::new(&case, &filch);
        row.add(Round::of(vec![0.0]));
        assert_eq!(with_ratios(vec![row])[0].ratio(), None);
    }
}
