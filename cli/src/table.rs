//! Tables for a terminal: columns as wide as what is in them.

use std::fmt;

/// A table with a line of heads.
pub(crate) struct Table {
    heads: Vec<String>,
    /// Whether the column is numbers, which end in line.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A head that starts with `>` makes a column of numbers.
    pub(crate) fn new<S: AsRef<str>>(heads: impl IntoIterator<Item = S>) -> Self {
        let (right, heads) = heads
            .into_iter()
            .map(|head| {
                let head = head.as_ref();
                (head.starts_with('>'), head.trim_start_matches('>').to_owned())
            })
            .unzip();
        Self { heads, right, rows: Vec::new() }
    }

    /// Adds a row with one cell for each head.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl ToString>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
        debug_assert_eq!(cells.len(), self.heads.len(), "a row has a cell for each head");
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Table {
    /// Two spaces before each row and between columns; no spaces at the end of a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |at: usize| lines().map(|cells| cells[at].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        for cells in lines() {
            let mut line = String::new();
            for ((cell, width), right) in cells.iter().zip(&widths).zip(&self.right) {
                line.push_str("  ");
                match right {
                    true => line.push_str(&format!("{cell:>width$}")),
                    false => line.push_str(&format!("{cell:<width$}")),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(["name", ">held", "state"]);
        table.row(["a", "7", "ready"]);
        table.row(["longer", "12345", ""]);
        assert_eq!(table.to_string(), "  name     held  state\n  a           7  ready\n  longer  12345\n");
    }
}
