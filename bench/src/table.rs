//! How is a table laid out for a terminal?
//!
//! Columns as wide as their widest cell, two blanks apart; text to the left, figures to the right. Made by hand: it is forty
//! lines.

/// Whether a column holds text or figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Text,
    Figure,
}

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads.
    pub(crate) fn new(heads: &[(&str, Column)]) -> Self {
        Self {
            columns: heads.iter().map(|&(_, column)| column).collect(),
            rows: vec![heads.iter().map(|&(head, _)| head.to_owned()).collect()],
        }
    }

    /// Adds a row: a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// The table's text, a rule under its heads.
    pub(crate) fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| self.width(column))
            .collect();
        let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            text += self.line(row, &widths).trim_end();
            text.push('\n');
            if index == 0 {
                text += &rule;
                text.push('\n');
            }
        }
        text
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(widths).zip(&self.columns);
        let padded: Vec<String> = cells
            .map(|((cell, &width), column)| match column {
                Column::Text => format!("{cell:<width$}"),
                Column::Figure => format!("{cell:>width$}"),
            })
            .collect();
        padded.join("  ")
    }

    fn width(&self, column: usize) -> usize {
        self.rows
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_left_and_figures_right() {
        let mut table = Table::new(&[("Name", Column::Text), ("Total s", Column::Figure)]);
        table.row(vec!["goroutines".into(), "0.39".into()]);
        table.row(vec!["é".into(), String::new()]);
        assert_eq!(
            table.render(),
            "Name        Total s\n\
             -------------------\n\
             goroutines     0.39\n\
             é\n"
        );
    }
}
