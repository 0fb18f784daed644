"""What moves on the page: tables that sort, and a series that is picked. Plain, no library."""

SCRIPT = """
for (const table of document.querySelectorAll('table.sorts')) {
  const body = table.tBodies[0];
  const value = (row, k) => {
    const cell = row.cells[k], v = cell.dataset.v;
    return v === undefined ? cell.textContent.trim().toLowerCase() : v === '' ? null : Number(v);
  };
  table.querySelectorAll('thead th').forEach((head, k) => {
    head.querySelector('button').addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') !== 'ascending';
      for (const other of table.querySelectorAll('thead th')) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const rows = [...body.rows];
      rows.sort((a, b) => {
        const x = value(a, k), y = value(b, k);
        if (x === null || y === null) return (x === null) - (y === null);
        return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
      });
      body.append(...rows);
    });
  });
}
for (const picker of document.querySelectorAll('.picker')) {
  const search = picker.querySelector('input'), list = picker.querySelector('select');
  const all = [...list.options], said = picker.querySelector('[aria-live]');
  const panes = picker.parentElement.querySelectorAll('.pane');
  const show = () => {
    for (const pane of panes) pane.hidden = pane.dataset.k !== list.value;
  };
  search.addEventListener('input', () => {
    const word = search.value.toLowerCase();
    const found = all.filter(option => option.text.toLowerCase().includes(word));
    list.replaceChildren(...found);
    said.textContent = found.length + ' of ' + all.length;
    if (found.length) { list.selectedIndex = 0; show(); }
  });
  list.addEventListener('change', show);
}
"""
