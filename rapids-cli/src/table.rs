//! A table with aligned columns.

use clap::builder::styling::Style;
use rapids_client::printable;

use crate::line::Line;

/// The gap between two columns.
const GAP: &str = "  ";

/// The columns and the rows so far.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// The title of a column, and whether its cells are aligned to the right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    right: bool,
}

impl Column {
    /// A column of words.
    pub(crate) const fn words(title: &'static str) -> Self {
        Self { title, right: false }
    }

    /// A column of numbers.
    pub(crate) const fn numbers(title: &'static str) -> Self {
        Self { title, right: true }
    }
}

/// A printable text with its style.
#[derive(Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: printable(&text.into()).to_string(), style: Style::new() }
    }

    pub(crate) fn style(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// As the beginning of a line.
    pub(crate) fn line(&self) -> Line {
        Line::new().styled(self.style, &self.text)
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row: a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines: the titles in this style, then the rows.
    pub(crate) fn lines(&self, headings: Style) -> Vec<Line> {
        let titles = self.columns.iter().map(|column| Cell::new(column.title).style(headings));
        let titles: Vec<_> = titles.collect();
        let rows = || std::iter::once(&titles).chain(&self.rows);
        let width = |place: usize| rows().filter_map(|row| row.get(place)).map(Cell::width).max();
        let widths: Vec<_> =
            (0..self.columns.len()).map(|place| width(place).unwrap_or(0)).collect();
        rows().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize]) -> Line {
        let mut line = Line::new();
        let mut blanks = 0;
        for ((cell, column), width) in row.iter().zip(&self.columns).zip(widths) {
            let rest = width - cell.width();
            blanks += if column.right { rest } else { 0 };
            // Write blanks only before a text, so that no line ends in blanks.
            if !cell.text.is_empty() {
                line = line.text(" ".repeat(blanks)).styled(cell.style, &cell.text);
                blanks = 0;
            }
            blanks += if cell.text.is_empty() { cell.width() } else { 0 };
            blanks += if column.right { 0 } else { rest } + GAP.len();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::Palette;

    #[test]
    fn columns_are_aligned_and_no_line_ends_in_blanks() {
        let columns = [Column::words("NAME"), Column::numbers("N"), Column::words("NOTE")];
        let mut table = Table::new(columns);
        table.row(["é", "1000", ""].map(Cell::new));
        table.row(["longer", "7", "fine"].map(Cell::new));
        assert_eq!(
            table.lines(Style::new()),
            ["NAME       N  NOTE", "é       1000", "longer     7  fine"].map(Line::from)
        );
    }

    #[test]
    fn colours_take_no_room() {
        let mut table = Table::new([Column::words("A"), Column::words("B")]);
        let red = Palette::coloured().bad;
        table.row([Cell::new("x").style(red), Cell::new("y")]);
        let expected = Line::new().styled(red, "x").text("  y");
        assert_eq!(table.lines(Style::new())[1], expected);
    }
}
