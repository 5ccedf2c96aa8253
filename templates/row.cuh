// Reductions over rows, with what comes before, between and after them, in one kernel.
//
// A domain of `rows` x `length` points. LANES threads share a row; each pass reduces over the row,
// and later passes and the final store may use what earlier ones found. With ITEMS > 0 a row that
// fits is read once and kept in registers (ITEMS vectors of V points a thread); otherwise each pass
// reads it again.
//
// Policy:
//   struct Row;                          // indices of the row and the statistics found so far;
//   every lane has them template <int V> struct Item;        // Loader's fragment: loads of V
//   neighbouring points that several passes use using Passes = PassList<Acc0, ...>;  // an
//   accumulator for each pass (see tile/reduce.cuh) bool aligned() const;                // V
//   neighbours from a multiple of V may be accessed as vectors void begin(Row&, index_t r) const;
//   template <int V> void load(const Row&, index_t c, Item<V>&) const;                  // Loader
//   template <int V> void visit(const Row&, index_t c, const Item<V>&, AccK&) const;    //
//   Transform, reduce void finish(Row&, const AccK&) const; // statistics of the row static
//   constexpr bool kStores; template <int V> void store(const Row&, index_t c, const Item<V>&)
//   const;           // Store of points void store_row(const Row&) const; // Store of statistics
#pragma once
#include "copy.cuh"
#include "reduce.cuh"

template <class... Acc>
struct PassList {};

template <int LANES, bool COLUMNS, class Acc>
MTMC_DEVICE void reduce_row(Acc& acc) {
  if constexpr (COLUMNS)
    reduce_columns<LANES>(acc);
  else
    reduce_lanes<LANES>(acc);
}

// One pass over a row that lies in registers.
template <int LANES, int V, int ITEMS, bool COLUMNS, class Acc, class Policy>
MTMC_DEVICE void pass_staged(const Policy& policy, typename Policy::Row& row,
                             const typename Policy::template Item<V> (&items)[ITEMS], index_t lane,
                             index_t length) {
  Acc acc{};
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) {
    const index_t c = (i * LANES + lane) * V;
    if (c < length) policy.template visit<V>(row, c, items[i], acc);
  }
  reduce_row<LANES, COLUMNS>(acc);
  policy.finish(row, acc);
}

template <int LANES, int V, int ITEMS, bool COLUMNS, class Policy, class... Acc>
MTMC_DEVICE void row_staged(const Policy& policy, typename Policy::Row& row, index_t lane,
                            index_t length, PassList<Acc...>) {
  typename Policy::template Item<V> items[ITEMS];
#pragma unroll
  for (int i = 0; i < ITEMS; ++i) {
    const index_t c = (i * LANES + lane) * V;
    if (c < length) policy.template load<V>(row, c, items[i]);
  }
  (pass_staged<LANES, V, ITEMS, COLUMNS, Acc>(policy, row, items, lane, length), ...);
  if constexpr (Policy::kStores) {
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
      const index_t c = (i * LANES + lane) * V;
      if (c < length) policy.template store<V>(row, c, items[i]);
    }
  }
}

template <int V, class Acc, class Policy>
MTMC_DEVICE void visit_point(const Policy& policy, const typename Policy::Row& row, index_t c,
                             Acc& acc) {
  typename Policy::template Item<V> item;
  policy.template load<V>(row, c, item);
  policy.template visit<V>(row, c, item, acc);
}
template <int V, class Policy>
MTMC_DEVICE void store_point(const Policy& policy, const typename Policy::Row& row, index_t c) {
  typename Policy::template Item<V> item;
  policy.template load<V>(row, c, item);
  policy.template store<V>(row, c, item);
}

// The points first .. last - 1 of a row, V at a time, and one by one where the range ends inside a
// vector.
template <int LANES, int V, class Acc, class Policy>
MTMC_DEVICE void visit_range(const Policy& policy, const typename Policy::Row& row, index_t lane,
                             index_t first, index_t last, Acc& acc) {
  for (index_t c = first + lane * V; c < last; c += LANES * V) {
    if (V == 1 || c + V <= last)
      visit_point<V>(policy, row, c, acc);
    else
      for (index_t i = c; i < last; ++i) visit_point<1>(policy, row, i, acc);
  }
}

template <int LANES, int V, bool COLUMNS, class Acc, class Policy>
MTMC_DEVICE void pass_streamed(const Policy& policy, typename Policy::Row& row, index_t lane,
                               index_t length) {
  Acc acc{};
  visit_range<LANES, V>(policy, row, lane, 0, length, acc);
  reduce_row<LANES, COLUMNS>(acc);
  policy.finish(row, acc);
}

template <int LANES, int V, bool COLUMNS, class Policy, class... Acc>
MTMC_DEVICE void row_streamed(const Policy& policy, typename Policy::Row& row, index_t lane,
                              index_t length, PassList<Acc...>) {
  (pass_streamed<LANES, V, COLUMNS, Acc>(policy, row, lane, length), ...);
  if constexpr (Policy::kStores) {
    for (index_t c = lane * V; c < length; c += LANES * V) store_point<V>(policy, row, c);
  }
}

// THREADS = rows of a block x LANES. COLUMNS: neighbouring threads have neighbouring rows
// (reductions over an axis that is not the innermost); LANES is then THREADS / 32.
template <int THREADS, int LANES, int V, int ITEMS, bool COLUMNS, class Policy>
MTMC_DEVICE void row_kernel(const Policy& policy, index_t rows, index_t length) {
  static_assert(LANES <= 32 || COLUMNS || LANES == THREADS,
                "more than a warp to a row: the whole block");
  const index_t lane = COLUMNS ? threadIdx.x / 32 : threadIdx.x % LANES;
  const index_t slot = COLUMNS ? threadIdx.x % 32 : threadIdx.x / LANES;
  const index_t r = (index_t)blockIdx.x * (THREADS / LANES) + slot;
  // Threads without a row go along, for the shuffles and barriers, over an empty one.
  const bool live = r < rows;
  const bool vectors = V > 1 && policy.aligned() && length % V == 0;
  const bool fits = ITEMS > 0 && length <= (index_t)ITEMS * LANES * V;
  if (!live) length = 0;
  typename Policy::Row row;
  policy.begin(row, live ? r : rows - 1);
  const typename Policy::Passes passes;
  if (ITEMS > 0 && fits) {
    if (vectors)
      row_staged<LANES, V, (ITEMS > 0 ? ITEMS : 1), COLUMNS>(policy, row, lane, length, passes);
    else
      row_staged<LANES, 1, (ITEMS > 0 ? ITEMS * V : 1), COLUMNS>(policy, row, lane, length, passes);
  } else if (ITEMS == 0 && vectors) {
    row_streamed<LANES, V, COLUMNS>(policy, row, lane, length, passes);
  } else {
    row_streamed<LANES, 1, COLUMNS>(policy, row, lane, length, passes);
  }
  if (live && lane == 0) policy.store_row(row);
}

// First half of a reduction that is split over blocks: block (x, s) reduces part s of its rows, and
// leaves its accumulators in partial[r * parts + s]. One pass only.
template <int THREADS, int LANES, int V, class Acc, class Policy>
MTMC_DEVICE void row_partial(const Policy& policy, index_t rows, index_t length, Acc* partial) {
  const index_t lane = threadIdx.x % LANES;
  const index_t r = (index_t)blockIdx.x * (THREADS / LANES) + threadIdx.x / LANES;
  const bool live = r < rows;
  typename Policy::Row row;
  policy.begin(row, live ? r : rows - 1);
  const index_t parts = gridDim.y, part = blockIdx.y;
  const index_t chunk = ((length + parts - 1) / parts + V - 1) / V * V;
  const index_t first = part * chunk;
  const index_t last = !live ? first : first + chunk < length ? first + chunk : length;
  Acc acc{};
  if (V > 1 && policy.aligned())
    visit_range<LANES, V>(policy, row, lane, first, last, acc);
  else
    visit_range<LANES, 1>(policy, row, lane, first, last, acc);
  reduce_lanes<LANES>(acc);
  if (live && lane == 0) partial[r * parts + part] = acc;
}

// Second half: a warp combines the parts of a row in a fixed order.
template <int THREADS, class Acc, class Policy>
MTMC_DEVICE void row_combine(const Policy& policy, index_t rows, index_t parts,
                             const Acc* partial) {
  const index_t lane = threadIdx.x % 32;
  const index_t r = (index_t)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
  const bool live = r < rows;
  typename Policy::Row row;
  policy.begin(row, live ? r : rows - 1);
  Acc acc{};
  for (index_t s = lane; live && s < parts; s += 32) acc.combine(partial[r * parts + s]);
  reduce_lanes<32>(acc);
  policy.finish(row, acc);
  if (live && lane == 0) policy.store_row(row);
}
