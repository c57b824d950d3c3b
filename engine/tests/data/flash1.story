// Figures: flash1-dev/matching-engine-benchmark scripts/conformance_check.py @41656c88 (a table of hard cases).
// The case of 5,000 orders is in the test itself.
# cancel_middle_then_sweep
1 buys 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 2 rests 10
3 buys 10 at 100 -> 3 rests 10
cancel 2 -> 2 cancelled 10
4 sells 20 at 100 ioc -> 4>1 10@100; 4>3 10@100
book 0 -> |
# cancel_head_then_sweep
1 buys 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 2 rests 10
3 buys 10 at 100 -> 3 rests 10
cancel 1 -> 1 cancelled 10
4 sells 20 at 100 ioc -> 4>2 10@100; 4>3 10@100
book 0 -> |
# multi_level_ioc_sweep
1 sells 10 at 102 -> 1 rests 10
2 sells 10 at 101 -> 2 rests 10
3 sells 10 at 100 -> 3 rests 10
4 buys 30 at 102 ioc -> 3>4 10@100; 2>4 10@101; 1>4 10@102
book 0 -> |
# modify_into_cross
1 sells 10 at 100 -> 1 rests 10
2 buys 10 at 99 -> 2 rests 10
replace 2 10 at 100 -> 1>2 10@100
book 0 -> |
# partial_fill_then_cancel
1 sells 10 at 100 -> 1 rests 10
2 buys 6 at 100 -> 1>2 6@100
cancel 1 -> 1 cancelled 4
book 0 -> |
# full_fill_then_stale_cancel
1 sells 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 1>2 10@100
cancel 1 -> refused MatchUnknownOrder
book 0 -> |
# fifo_priority
1 buys 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 2 rests 10
3 sells 10 at 100 -> 3>1 10@100
book 0 -> 2:10@100 |
# deep_fifo_scattered_cancel
1 buys 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 2 rests 10
3 buys 10 at 100 -> 3 rests 10
4 buys 10 at 100 -> 4 rests 10
5 buys 10 at 100 -> 5 rests 10
6 buys 10 at 100 -> 6 rests 10
7 buys 10 at 100 -> 7 rests 10
8 buys 10 at 100 -> 8 rests 10
cancel 2 -> 2 cancelled 10
cancel 5 -> 5 cancelled 10
cancel 7 -> 7 cancelled 10
9 sells 50 at 100 ioc -> 9>1 10@100; 9>3 10@100; 9>4 10@100; 9>6 10@100; 9>8 10@100
book 0 -> |
# sweep_residual_becomes_bbo
1 sells 10 at 100 -> 1 rests 10
2 sells 10 at 101 -> 2 rests 10
3 sells 10 at 102 -> 3 rests 10
4 buys 35 at 102 -> 1>4 10@100; 2>4 10@101; 3>4 10@102; 4 rests 5
5 sells 5 at 102 ioc -> 5>4 5@102
book 0 -> |
# modify_partially_filled_residual
1 sells 10 at 100 -> 1 rests 10
2 buys 4 at 100 -> 1>2 4@100
replace 1 6 at 101 -> 1 rests 6
3 buys 6 at 101 ioc -> 1>3 6@101
book 0 -> |
# stale_modify_after_full_fill
1 sells 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 1>2 10@100
replace 1 5 at 101 -> refused MatchUnknownOrder
book 0 -> |
# reuse_id_after_cancel
1 buys 10 at 100 -> 1 rests 10
cancel 1 -> 1 cancelled 10
1 sells 10 at 200 -> 1 rests 10
2 buys 10 at 200 ioc -> 1>2 10@200
book 0 -> |
# two_level_cancel_sell_priority
1 buys 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 2 rests 10
3 buys 10 at 101 -> 3 rests 10
4 buys 10 at 101 -> 4 rests 10
cancel 1 -> 1 cancelled 10
cancel 4 -> 4 cancelled 10
5 sells 20 at 100 ioc -> 5>3 10@101; 5>2 10@100
book 0 -> |
# exact_multilevel_boundary
1 sells 10 at 100 -> 1 rests 10
2 sells 20 at 101 -> 2 rests 20
3 sells 30 at 102 -> 3 rests 30
4 buys 60 at 102 ioc -> 1>4 10@100; 2>4 20@101; 3>4 30@102
book 0 -> |
# taker_price_both_directions
1 sells 10 at 100 -> 1 rests 10
2 buys 10 at 105 ioc -> 1>2 10@100
3 buys 10 at 200 -> 3 rests 10
4 sells 10 at 195 ioc -> 4>3 10@200
book 0 -> |
# same_level_full_double_consume
1 sells 30 at 9 -> 1 rests 30
2 sells 40 at 9 -> 2 rests 40
3 buys 100 at 9 -> 1>3 30@9; 2>3 40@9; 3 rests 30
4 sells 30 at 9 ioc -> 4>3 30@9
book 0 -> |
# post_sweep_book_health
1 sells 10 at 100 -> 1 rests 10
2 sells 10 at 101 -> 2 rests 10
3 sells 10 at 102 -> 3 rests 10
4 buys 30 at 102 ioc -> 1>4 10@100; 2>4 10@101; 3>4 10@102
5 sells 8 at 101 -> 5 rests 8
6 buys 8 at 101 ioc -> 5>6 8@101
7 sells 8 at 103 -> 7 rests 8
8 buys 8 at 103 ioc -> 7>8 8@103
book 0 -> |
# price_priority_both_sides_reverse_arrival
1 sells 10 at 105 -> 1 rests 10
2 sells 10 at 100 -> 2 rests 10
3 buys 10 at 105 ioc -> 2>3 10@100
4 buys 10 at 90 -> 4 rests 10
5 buys 10 at 95 -> 5 rests 10
6 buys 10 at 92 -> 6 rests 10
7 sells 30 at 90 ioc -> 7>5 10@95; 7>6 10@92; 7>4 10@90
book 0 -> | 1:10@105
# cancel_best_level_minimal_reprobe
1 buys 10 at 100 -> 1 rests 10
2 buys 7 at 99 -> 2 rests 7
cancel 1 -> 1 cancelled 10
3 sells 7 at 99 ioc -> 3>2 7@99
book 0 -> |
# ioc_partial_fill_must_not_rest
1 sells 10 at 100 -> 1 rests 10
2 buys 15 at 100 ioc -> 1>2 10@100; 2 drops 5
3 sells 5 at 100 ioc -> 3 drops 5
book 0 -> |
# limit_order_stops_at_own_price
1 sells 5 at 100 -> 1 rests 5
2 sells 10 at 105 -> 2 rests 10
3 buys 12 at 102 -> 1>3 5@100; 3 rests 7
4 sells 7 at 102 ioc -> 4>3 7@102
book 0 -> | 2:10@105
# partial_fill_exact_residual_drain
1 sells 20 at 100 -> 1 rests 20
2 buys 8 at 100 ioc -> 1>2 8@100
3 buys 12 at 100 ioc -> 1>3 12@100
4 buys 5 at 100 ioc -> 4 drops 5
book 0 -> |
# fifo_same_price_multi_aggressor
1 buys 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 2 rests 10
3 buys 10 at 100 -> 3 rests 10
4 buys 10 at 100 -> 4 rests 10
5 sells 15 at 100 ioc -> 5>1 10@100; 5>2 5@100
6 sells 15 at 100 ioc -> 6>2 5@100; 6>3 10@100
book 0 -> 4:10@100 |
# reuse_id_after_full_fill
1 buys 10 at 100 -> 1 rests 10
2 sells 10 at 100 -> 2>1 10@100
1 sells 10 at 200 -> 1 rests 10
3 buys 10 at 200 ioc -> 1>3 10@200
book 0 -> |
# cancel_never_issued_id
cancel 999 -> refused MatchUnknownOrder
replace 999 5 at 100 -> refused MatchUnknownOrder
book 0 -> |
# stale_ops_after_cancel
1 buys 10 at 100 -> 1 rests 10
cancel 1 -> 1 cancelled 10
cancel 1 -> refused MatchUnknownOrder
replace 1 5 at 101 -> refused MatchUnknownOrder
book 0 -> |
# wide_in_domain_price_ceiling
1 sells 10 at 200000 -> 1 rests 10
2 buys 10 at 200000 ioc -> 1>2 10@200000
book 0 -> |
# large_order_id_ceiling
cancel 2000000 -> refused MatchUnknownOrder
book 0 -> |
# phantom_trade_exact_exhaust
1 sells 5 at 100 -> 1 rests 5
2 sells 5 at 100 -> 2 rests 5
3 buys 5 at 100 ioc -> 1>3 5@100
book 0 -> | 2:5@100
# cancel_best_ask_minimal_reprobe
1 sells 10 at 100 -> 1 rests 10
2 sells 7 at 101 -> 2 rests 7
cancel 1 -> 1 cancelled 10
3 buys 7 at 101 ioc -> 2>3 7@101
book 0 -> |
# cancel_empties_entire_side_then_refill
1 buys 10 at 100 -> 1 rests 10
cancel 1 -> 1 cancelled 10
2 buys 8 at 95 -> 2 rests 8
3 sells 8 at 95 ioc -> 3>2 8@95
book 0 -> |
# modify_shared_level_sibling_survives
1 buys 10 at 100 -> 1 rests 10
2 buys 10 at 100 -> 2 rests 10
replace 1 10 at 99 -> 1 rests 10
3 sells 10 at 100 ioc -> 3>2 10@100
book 0 -> 1:10@99 |
# modify_into_cross_price_improvement
1 sells 10 at 100 -> 1 rests 10
2 buys 10 at 90 -> 2 rests 10
replace 2 10 at 105 -> 1>2 10@100
3 buys 10 at 200 -> 3 rests 10
4 sells 10 at 210 -> 4 rests 10
replace 4 10 at 195 -> 4>3 10@200
book 0 -> |
