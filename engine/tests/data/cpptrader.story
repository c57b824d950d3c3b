// Figures: chronoxor/CppTrader tests/test_matching_engine.cpp @99e57998, MIT.
// Left out: all-or-none, stop orders, and matching by hand: not ours. Slippage is a limit so far from the best price.
// A fill-or-kill order there trades at its own limit; ours trades at the resting orders' prices, as any order.
# Automatic matching - market order
1 buys 10 at 10 -> 1 rests 10
2 buys 20 at 10 -> 2 rests 20
3 buys 30 at 10 -> 3 rests 30
4 buys 10 at 20 -> 4 rests 10
5 buys 20 at 20 -> 5 rests 20
6 buys 30 at 20 -> 6 rests 30
7 buys 10 at 30 -> 7 rests 10
8 buys 20 at 30 -> 8 rests 20
9 buys 30 at 30 -> 9 rests 30
depth 0 -> 30:60x3 20:60x3 10:60x3 |
10 sells 30 at 40 -> 10 rests 30
11 sells 20 at 40 -> 11 rests 20
12 sells 10 at 40 -> 12 rests 10
13 sells 30 at 50 -> 13 rests 30
14 sells 20 at 50 -> 14 rests 20
15 sells 10 at 50 -> 15 rests 10
16 sells 30 at 60 -> 16 rests 30
17 sells 20 at 60 -> 17 rests 20
18 sells 10 at 60 -> 18 rests 10
depth 0 -> 30:60x3 20:60x3 10:60x3 | 40:60x3 50:60x3 60:60x3
19 sells 15 at -9999990 ioc -> 19>7 10@30; 19>8 5@30
depth 0 -> 30:45x2 20:60x3 10:60x3 | 40:60x3 50:60x3 60:60x3
20 sells 100 at 30 ioc -> 20>8 15@30; 20>9 30@30; 20 drops 55
depth 0 -> 20:60x3 10:60x3 | 40:60x3 50:60x3 60:60x3
21 buys 160 at 60 ioc -> 10>21 30@40; 11>21 20@40; 12>21 10@40; 13>21 30@50; 14>21 20@50; 15>21 10@50; 16>21 30@60; 17>21 10@60
depth 0 -> 20:60x3 10:60x3 | 60:20x2
22 sells 1000 at -9999990 ioc -> 22>4 10@20; 22>5 20@20; 22>6 30@20; 22>1 10@10; 22>2 20@10; 22>3 30@10; 22 drops 880
depth 0 -> | 60:20x2
23 buys 1000 at 9999990 ioc -> 17>23 10@60; 18>23 10@60; 23 drops 980
depth 0 -> |
# Automatic matching - limit order
1 buys 10 at 10 -> 1 rests 10
2 buys 20 at 10 -> 2 rests 20
3 buys 30 at 10 -> 3 rests 30
4 buys 10 at 20 -> 4 rests 10
5 buys 20 at 20 -> 5 rests 20
6 buys 30 at 20 -> 6 rests 30
7 buys 10 at 30 -> 7 rests 10
8 buys 20 at 30 -> 8 rests 20
9 buys 30 at 30 -> 9 rests 30
depth 0 -> 30:60x3 20:60x3 10:60x3 |
10 sells 30 at 40 -> 10 rests 30
11 sells 20 at 40 -> 11 rests 20
12 sells 10 at 40 -> 12 rests 10
13 sells 30 at 50 -> 13 rests 30
14 sells 20 at 50 -> 14 rests 20
15 sells 10 at 50 -> 15 rests 10
16 sells 30 at 60 -> 16 rests 30
17 sells 20 at 60 -> 17 rests 20
18 sells 10 at 60 -> 18 rests 10
depth 0 -> 30:60x3 20:60x3 10:60x3 | 40:60x3 50:60x3 60:60x3
19 sells 5 at 30 -> 19>7 5@30
20 sells 25 at 30 -> 20>7 5@30; 20>8 20@30
21 sells 15 at 30 -> 21>9 15@30
22 sells 20 at 30 -> 22>9 15@30; 22 rests 5
depth 0 -> 20:60x3 10:60x3 | 30:5x1 40:60x3 50:60x3 60:60x3
23 buys 105 at 60 -> 22>23 5@30; 10>23 30@40; 11>23 20@40; 12>23 10@40; 13>23 30@50; 14>23 10@50
depth 0 -> 20:60x3 10:60x3 | 50:20x2 60:60x3
replace 15 20 at 20 -> 15>4 10@20; 15>5 10@20
depth 0 -> 20:40x2 10:60x3 | 50:10x1 60:60x3
cancel 2 -> 2 cancelled 20
24 buys 100 at 70 -> 14>24 10@50; 16>24 30@60; 17>24 20@60; 18>24 10@60; 24 rests 30
depth 0 -> 70:30x1 20:40x2 10:40x2 |
cancel 1 -> 1 cancelled 10
25 sells 100 at 0 -> 25>24 30@70; 25>5 10@20; 25>6 30@20; 25>3 30@10
depth 0 -> |
# Automatic matching - 'Immediate-Or-Cancel' limit order
1 buys 10 at 10 -> 1 rests 10
2 buys 20 at 20 -> 2 rests 20
3 buys 30 at 30 -> 3 rests 30
depth 0 -> 30:30x1 20:20x1 10:10x1 |
4 sells 100 at 10 ioc -> 4>3 30@30; 4>2 20@20; 4>1 10@10; 4 drops 40
depth 0 -> |
# Automatic matching - 'Fill-Or-Kill' limit order (filled)
1 buys 10 at 10 -> 1 rests 10
2 buys 20 at 20 -> 2 rests 20
3 buys 30 at 30 -> 3 rests 30
depth 0 -> 30:30x1 20:20x1 10:10x1 |
4 sells 40 at 10 fok -> 4>3 30@30; 4>2 10@20
depth 0 -> 20:10x1 10:10x1 |
# Automatic matching - 'Fill-Or-Kill' limit order (killed)
1 buys 10 at 10 -> 1 rests 10
2 buys 20 at 20 -> 2 rests 20
3 buys 30 at 30 -> 3 rests 30
depth 0 -> 30:30x1 20:20x1 10:10x1 |
4 sells 100 at 10 fok -> refused MatchFillOrKill
depth 0 -> 30:30x1 20:20x1 10:10x1 |
# Automatic matching - 'Hidden' limit order
1 buys 10 at 10 shows 5 -> 1 rests 10
2 buys 20 at 20 shows 10 -> 2 rests 20
3 buys 30 at 30 shows 15 -> 3 rests 30
depth 0 -> 30:30x1 20:20x1 10:10x1 |
view 0 -> 30:15 20:10 10:5 |
4 sells 55 at -9999990 ioc
fills -> 1:5=50 2:20=400 3:30=900 4:55=1350
depth 0 -> 10:5x1 |
view 0 -> 10:5 |
# In-Flight Mitigation
1 buys 100 at 10 -> 1 rests 100
depth 0 -> 10:100x1 |
2 sells 100 at 20 -> 2 rests 100
depth 0 -> 10:100x1 | 20:100x1
3 sells 20 at 10 -> 3>1 20@10
4 buys 20 at 20 -> 2>4 20@20
depth 0 -> 10:80x1 | 20:80x1
replace 1 130 at 10 -> 1 rests 130
replace 2 30 at 20 -> 2 reduced to 30
depth 0 -> 10:130x1 | 20:30x1
reduce 1 130 -> 1 reduced to 0
reduce 2 30 -> 2 reduced to 0
depth 0 -> |
