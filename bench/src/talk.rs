//! With what does the table begin?
//!
//! With the figures of the talk this project began with (Nexedi, 2018; docs/TALK.md): 500 000 empty coroutines on a quad-core
//! laptop of its time. They are quoted, not measured: the machine was another one, so they say what was felt to be fast then,
//! not how much faster filch is. To compare, both have to run on the same machine.

/// A row of the talk: name, language, and seconds as it published them. Its total is its own, also where it is not the sum.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) language: &'static str,
    pub(crate) spawn_s: Option<f64>,
    pub(crate) run_s: Option<f64>,
    pub(crate) total_s: f64,
}

pub(crate) const ROWS: [Row; 5] = [
    Row {
        name: "Lwan's coroutines with work stealing",
        language: "C",
        spawn_s: Some(1.15),
        run_s: Some(0.27),
        total_s: 1.49,
    },
    only_total("asyncio", "Python", 10.82),
    only_total("uvloop", "Python", 7.91),
    only_total("gevent", "Python", 8.30),
    only_total("goroutines", "Go", 0.39),
];

const fn only_total(name: &'static str, language: &'static str, total_s: f64) -> Row {
    Row {
        name,
        language,
        spawn_s: None,
        run_s: None,
        total_s,
    }
}
