//! Tables as HTML.

use super::escape;

/// A table: the names of its columns, those of text first, and its rows.
pub(super) struct Table<'t> {
    /// How many columns hold text, the others hold numbers.
    pub texts: usize,
    /// The names of the columns.
    pub columns: &'t [&'t str],
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table<'_> {
    pub fn html(&self) -> String {
        let class = |column: usize| if column < self.texts { " class=\"t\"" } else { "" };
        let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
            let cells = cells.enumerate();
            let cells = cells.map(|(column, cell)| format!("<{tag}{}>{}</{tag}>", class(column), escape(cell)));
            format!("<tr>{}</tr>", cells.collect::<String>())
        };
        let head = cells("th", &mut self.columns.iter().copied());
        let rows = self
            .rows
            .iter()
            .map(|row| cells("td", &mut row.iter().map(String::as_str)));
        format!(
            "<div class=\"scroll\"><table><thead>{head}</thead><tbody>{}</tbody></table></div>",
            rows.collect::<String>()
        )
    }
}
