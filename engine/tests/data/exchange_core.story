// Figures: exchange-core/exchange-core OrderBookBaseTest.java @2f854874, Apache-2.0.
// Left out: the duplicate (names are checked by the ledger, not the book) and negative sizes (there are none).
// Their budget of a fill-or-kill order bounds its sum, our limit each kWh: those that are refused are told at the average price.
@ setup
0 sells 13 at 81600 as 413
cancel 0 as 413
1 sells 100 at 81600 as 412
2 sells 50 at 81599 as 412
3 sells 25 at 81599 as 412
8 sells 28 at 201000 as 412
9 sells 32 at 201000 as 412
10 sells 10 at 200954 as 412
4 buys 40 at 81593 as 412
5 buys 20 at 81590 as 412
6 buys 1 at 81590 as 412
7 buys 20 at 81200 as 412
11 buys 12 at 10000 as 412
12 buys 1 at 10000 as 412
13 buys 2 at 9136 as 412
# initialState
setup
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldAddGtcOrders
setup
93 sells 1 at 81598 as 412 -> 93 rests 1
94 buys 9000000000 at 81594 as 412 -> 94 rests 9000000000
95 sells 13000000000 at 130000 as 412 -> 95 rests 13000000000
96 buys 4 at 1000 as 412 -> 96 rests 4
depth 0 -> 81594:9000000000x1 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 1000:4x1 | 81598:1x1 81599:75x2 81600:100x1 130000:13000000000x1 200954:10x1 201000:60x2
# shouldRemoveBidOrder
setup
cancel 5 as 412 -> 5 cancelled 20
depth 0 -> 81593:40x1 81590:1x1 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldRemoveAskOrder
setup
cancel 2 as 412 -> 2 cancelled 50
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:25x1 81600:100x1 200954:10x1 201000:60x2
# shouldReduceBidOrder
setup
reduce 5 3 as 412 -> 5 reduced to 17
depth 0 -> 81593:40x1 81590:18x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldReduceAskOrder
setup
reduce 1 300 as 412 -> 1 reduced to 0
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 200954:10x1 201000:60x2
# shouldRemoveOrderAndEmptyBucket
setup
cancel 2 as 412 -> 2 cancelled 50
cancel 3 as 412 -> 3 cancelled 25
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81600:100x1 200954:10x1 201000:60x2
# shouldReturnErrorWhenDeletingUnknownOrder
setup
cancel 5291 as 412 -> refused MatchUnknownOrder
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldReturnErrorWhenDeletingOtherUserOrder
setup
cancel 3 as 413 -> refused MatchUnknownOrder
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldReturnErrorWhenUpdatingOtherUserOrder
setup
replace 2 50 at 100 as 413 -> refused MatchUnknownOrder
replace 8 28 at 100 as 413 -> refused MatchUnknownOrder
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldReturnErrorWhenReducingByZeroOrNegativeSize
setup
reduce 4 0 as 412 -> refused MatchNothingToReduce
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMoveOrderExistingBucket
setup
replace 7 20 at 81590 as 412 -> 7 rests 20
depth 0 -> 81593:40x1 81590:41x3 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMoveOrderNewBucket
setup
replace 7 20 at 81594 as 412 -> 7 rests 20
depth 0 -> 81594:20x1 81593:40x1 81590:21x2 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMatchIocOrderPartialBBO
setup
123 sells 10 at 1 ioc as 413 -> 123>4 10@81593
depth 0 -> 81593:30x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMatchIocOrderFullBBO
setup
123 sells 40 at 1 ioc as 413 -> 123>4 40@81593
depth 0 -> 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMatchIocOrderWithTwoLimitOrdersPartial
setup
123 sells 41 at 1 ioc as 413 -> 123>4 40@81593; 123>5 1@81590
depth 0 -> 81590:20x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMatchIocOrderFullLiquidity
setup
123 buys 175 at 400000 ioc as 413 -> 2>123 50@81599; 3>123 25@81599; 1>123 100@81600
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 200954:10x1 201000:60x2
# shouldMatchIocOrderWithRejection
setup
123 buys 270 at 400000 ioc as 413 -> 2>123 50@81599; 3>123 25@81599; 1>123 100@81600; 10>123 10@200954; 8>123 28@201000; 9>123 32@201000; 123 drops 25
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 |
# shouldRejectFokBidOrderOutOfBudget
setup
123 buys 180 at 84914 fok as 413 -> refused MatchFillOrKill
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMatchFokBidOrderExactBudget
setup
123 buys 180 at 9999990 fok as 413 -> 2>123 50@81599; 3>123 25@81599; 1>123 100@81600; 10>123 5@200954
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 200954:5x1 201000:60x2
# shouldMatchFokBidOrderExtraBudget
setup
123 buys 176 at 9999990 fok as 413 -> 2>123 50@81599; 3>123 25@81599; 1>123 100@81600; 10>123 1@200954
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 200954:9x1 201000:60x2
# shouldRejectFokAskOrderBelowExpectation
setup
123 sells 60 at 81593 fok as 413 -> refused MatchFillOrKill
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMatchFokAskOrderExactExpectation
setup
123 sells 60 at -9999990 fok as 413 -> 123>4 40@81593; 123>5 20@81590
depth 0 -> 81590:1x1 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldMatchFokAskOrderExtraBudget
setup
123 sells 61 at -9999990 fok as 413 -> 123>4 40@81593; 123>5 20@81590; 123>6 1@81590
depth 0 -> 81200:20x1 10000:13x2 9136:2x1 | 81599:75x2 81600:100x1 200954:10x1 201000:60x2
# shouldFullyMatchMarketableGtcOrder
setup
123 buys 1 at 81599 as 413 -> 2>123 1@81599
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:74x2 81600:100x1 200954:10x1 201000:60x2
# shouldPartiallyMatchMarketableGtcOrderAndPlace
setup
123 buys 77 at 81599 as 413 -> 2>123 50@81599; 3>123 25@81599; 123 rests 2
depth 0 -> 81599:2x1 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81600:100x1 200954:10x1 201000:60x2
# shouldFullyMatchMarketableGtcOrder2Prices
setup
123 buys 77 at 81600 as 413 -> 2>123 50@81599; 3>123 25@81599; 1>123 2@81600
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81600:98x1 200954:10x1 201000:60x2
# shouldFullyMatchMarketableGtcOrderWithAllLiquidity
setup
123 buys 1000 at 220000 as 413 -> 2>123 50@81599; 3>123 25@81599; 1>123 100@81600; 10>123 10@200954; 8>123 28@201000; 9>123 32@201000; 123 rests 755
depth 0 -> 220000:755x1 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 |
# shouldMoveOrderFullyMatchAsMarketable
setup
83 buys 20 at 81200 as 413 -> 83 rests 20
replace 83 20 at 81602 as 413 -> 2>83 20@81599
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81599:55x2 81600:100x1 200954:10x1 201000:60x2
# shouldMoveOrderFullyMatchAsMarketable2Prices
setup
83 buys 100 at 81594 as 413 -> 83 rests 100
replace 83 100 at 81600 as 413 -> 2>83 50@81599; 3>83 25@81599; 1>83 25@81600
depth 0 -> 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 | 81600:75x1 200954:10x1 201000:60x2
# shouldMoveOrderMatchesAllLiquidity
setup
83 buys 246 at 81594 as 413 -> 83 rests 246
replace 83 246 at 201000 as 413 -> 2>83 50@81599; 3>83 25@81599; 1>83 100@81600; 10>83 10@200954; 8>83 28@201000; 9>83 32@201000; 83 rests 1
depth 0 -> 201000:1x1 81593:40x1 81590:21x2 81200:20x1 10000:13x2 9136:2x1 |
