// Figures: enewhuis/liquibook test/unit @2427613b, Copyright (c) 2012, 2013 Object Computing, Inc. (BSD terms).
// Left out: all-or-none, stop orders and market prices, and market orders that rest: not ours. A market order is immediate-or-cancel at the price limit.
// Cases that its two test files tell alike stand here once.
# TestAddCompleteBid
4 buys 100 at 1250 -> 4 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
depth 0 -> 1250:100x1 | 1251:100x1 1252:100x1
3 buys 100 at 1251 -> 2>3 100@1251
fills -> 2:100=125100 3:100=125100
depth 0 -> 1250:100x1 | 1252:100x1
# TestAddMultiMatchBid
5 buys 100 at 1250 -> 5 rests 100
2 sells 300 at 1251 -> 2 rests 300
1 sells 100 at 1252 -> 1 rests 100
3 sells 200 at 1251 -> 3 rests 200
depth 0 -> 1250:100x1 | 1251:500x2 1252:100x1
4 buys 500 at 1251 -> 2>4 300@1251; 3>4 200@1251
fills -> 2:300=375300 3:200=250200 4:500=625500
depth 0 -> 1250:100x1 | 1252:100x1
# TestAddMultiMatchAsk
5 buys 100 at 9250 -> 5 rests 100
6 buys 500 at 9250 -> 6 rests 500
7 buys 100 at 9248 -> 7 rests 100
2 sells 300 at 9251 -> 2 rests 300
1 sells 100 at 9252 -> 1 rests 100
3 sells 200 at 9251 -> 3 rests 200
depth 0 -> 9250:600x2 9248:100x1 | 9251:500x2 9252:100x1
4 sells 600 at 9250 -> 4>5 100@9250; 4>6 500@9250
fills -> 4:600=5550000 5:100=925000 6:500=4625000
depth 0 -> 9248:100x1 | 9251:500x2 9252:100x1
# TestAddPartialMatchBid
5 buys 100 at 7250 -> 5 rests 100
1 sells 300 at 7253 -> 1 rests 300
2 sells 100 at 7252 -> 2 rests 100
3 sells 200 at 7251 -> 3 rests 200
depth 0 -> 7250:100x1 | 7251:200x1 7252:100x1 7253:300x1
4 buys 350 at 7251 -> 3>4 200@7251; 4 rests 150
fills -> 3:200=1450200 4:200=1450200
depth 0 -> 7251:150x1 7250:100x1 | 7252:100x1 7253:300x1
# TestAddPartialMatchAsk
4 buys 100 at 1250 -> 4 rests 100
1 sells 300 at 1253 -> 1 rests 300
3 buys 350 at 1251 -> 3 rests 350
5 buys 200 at 1250 -> 5 rests 200
depth 0 -> 1251:350x1 1250:300x2 | 1253:300x1
2 sells 400 at 1251 -> 2>3 350@1251; 2 rests 50
fills -> 2:350=437850 3:350=437850
depth 0 -> 1250:300x2 | 1251:50x1 1253:300x1
# TestAddMultiPartialMatchBid
5 buys 100 at 1250 -> 5 rests 100
3 sells 300 at 1251 -> 3 rests 300
1 sells 100 at 1252 -> 1 rests 100
2 sells 200 at 1251 -> 2 rests 200
depth 0 -> 1250:100x1 | 1251:500x2 1252:100x1
4 buys 750 at 1251 -> 3>4 300@1251; 2>4 200@1251; 4 rests 250
fills -> 2:200=250200 3:300=375300 4:500=625500
depth 0 -> 1251:250x1 1250:100x1 | 1252:100x1
# TestAddMultiPartialMatchAsk
5 buys 100 at 1250 -> 5 rests 100
1 sells 300 at 1253 -> 1 rests 300
3 buys 370 at 1251 -> 3 rests 370
4 buys 200 at 1251 -> 4 rests 200
depth 0 -> 1251:570x2 1250:100x1 | 1253:300x1
2 sells 700 at 1251 -> 2>3 370@1251; 2>4 200@1251; 2 rests 130
fills -> 2:570=713070 3:370=462870 4:200=250200
depth 0 -> 1250:100x1 | 1251:130x1 1253:300x1
# TestRepeatMatchBid
6 buys 100 at 1250 -> 6 rests 100
5 buys 900 at 1251 -> 5 rests 900
depth 0 -> 1251:900x1 1250:100x1 |
4 sells 100 at 1251 -> 4>5 100@1251
fills -> 4:100=125100 5:100=125100
depth 0 -> 1251:800x1 1250:100x1 |
3 sells 300 at 1251 -> 3>5 300@1251
fills -> 3:300=375300 5:300=375300
depth 0 -> 1251:500x1 1250:100x1 |
2 sells 200 at 1251 -> 2>5 200@1251
fills -> 2:200=250200 5:200=250200
depth 0 -> 1251:300x1 1250:100x1 |
1 sells 400 at 1251 -> 1>5 300@1251; 1 rests 100
fills -> 1:300=375300 5:300=375300
depth 0 -> 1250:100x1 | 1251:100x1
# TestRepeatMatchAsk
1 sells 100 at 1252 -> 1 rests 100
2 sells 900 at 1251 -> 2 rests 900
depth 0 -> | 1251:900x1 1252:100x1
3 buys 100 at 1251 -> 2>3 100@1251
fills -> 2:100=125100 3:100=125100
depth 0 -> | 1251:800x1 1252:100x1
4 buys 300 at 1251 -> 2>4 300@1251
fills -> 2:300=375300 4:300=375300
depth 0 -> | 1251:500x1 1252:100x1
5 buys 200 at 1251 -> 2>5 200@1251
fills -> 2:200=250200 5:200=250200
depth 0 -> | 1251:300x1 1252:100x1
6 buys 400 at 1251 -> 2>6 300@1251; 6 rests 100
fills -> 2:300=375300 6:300=375300
depth 0 -> 1251:100x1 | 1252:100x1
# TestAddMarketOrderBid
4 buys 100 at 1250 -> 4 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
depth 0 -> 1250:100x1 | 1251:100x1 1252:100x1
3 buys 100 at 9999990 ioc -> 2>3 100@1251
fills -> 2:100=125100 3:100=125100
depth 0 -> 1250:100x1 | 1252:100x1
# TestAddMarketOrderAsk
4 buys 100 at 1250 -> 4 rests 100
1 sells 100 at 1252 -> 1 rests 100
3 buys 100 at 1251 -> 3 rests 100
depth 0 -> 1251:100x1 1250:100x1 | 1252:100x1
2 sells 100 at -9999990 ioc -> 2>3 100@1251
fills -> 2:100=125100 3:100=125100
depth 0 -> 1250:100x1 | 1252:100x1
# TestAddMarketOrderBidMultipleMatch
4 buys 100 at 12500 -> 4 rests 100
2 sells 200 at 12510 -> 2 rests 200
1 sells 300 at 12520 -> 1 rests 300
depth 0 -> 12500:100x1 | 12510:200x1 12520:300x1
3 buys 500 at 9999990 ioc -> 2>3 200@12510; 1>3 300@12520
fills -> 1:300=3756000 2:200=2502000 3:500=6258000
depth 0 -> 12500:100x1 |
# TestAddMarketOrderAskMultipleMatch
4 buys 400 at 12500 -> 4 rests 400
1 sells 100 at 12520 -> 1 rests 100
3 buys 200 at 12510 -> 3 rests 200
depth 0 -> 12510:200x1 12500:400x1 | 12520:100x1
2 sells 600 at -9999990 ioc -> 2>3 200@12510; 2>4 400@12500
fills -> 2:600=7502000 3:200=2502000 4:400=5000000
depth 0 -> | 12520:100x1
# TestCancelBid
4 buys 100 at 1250 -> 4 rests 100
3 sells 100 at 1251 -> 3 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
depth 0 -> 1250:100x1 | 1251:200x2 1252:100x1
cancel 4 -> 4 cancelled 100
cancel 2 -> 2 cancelled 100
cancel 2 -> refused MatchUnknownOrder
depth 0 -> | 1251:100x1 1252:100x1
# TestCancelAskAndMatch
4 buys 100 at 1250 -> 4 rests 100
5 buys 100 at 1250 -> 5 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
depth 0 -> 1250:200x2 | 1251:100x1 1252:100x1
cancel 2 -> 2 cancelled 100
depth 0 -> 1250:200x2 | 1252:100x1
3 buys 100 at 1252 -> 1>3 100@1252
fills -> 1:100=125200 3:100=125200
depth 0 -> 1250:200x2 |
cancel 4 -> 4 cancelled 100
depth 0 -> 1250:100x1 |
# TestCancelBidFail
3 buys 100 at 1250 -> 3 rests 100
1 sells 100 at 1251 -> 1 rests 100
depth 0 -> 1250:100x1 | 1251:100x1
2 sells 100 at 1250 -> 2>3 100@1250
fills -> 2:100=125000 3:100=125000
depth 0 -> | 1251:100x1
cancel 3 -> refused MatchUnknownOrder
depth 0 -> | 1251:100x1
# TestCancelAskFail
4 buys 100 at 1250 -> 4 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
depth 0 -> 1250:100x1 | 1251:100x1 1252:100x1
3 buys 100 at 1251 -> 2>3 100@1251
fills -> 2:100=125100 3:100=125100
depth 0 -> 1250:100x1 | 1252:100x1
cancel 2 -> refused MatchUnknownOrder
depth 0 -> 1250:100x1 | 1252:100x1
# TestCancelBidRestore
11 sells 500 at 1250 -> 11 rests 500
10 sells 400 at 1251 -> 10 rests 400
9 sells 100 at 1252 -> 9 rests 100
8 sells 200 at 1252 -> 8 rests 200
7 sells 300 at 1254 -> 7 rests 300
6 sells 200 at 1255 -> 6 rests 200
5 sells 500 at 1255 -> 5 rests 500
4 sells 100 at 1256 -> 4 rests 100
3 sells 100 at 1256 -> 3 rests 100
2 sells 700 at 1257 -> 2 rests 700
1 sells 600 at 1258 -> 1 rests 600
12 buys 100 at 1249 -> 12 rests 100
13 buys 200 at 1249 -> 13 rests 200
14 buys 200 at 1249 -> 14 rests 200
15 buys 400 at 1248 -> 15 rests 400
16 buys 600 at 1246 -> 16 rests 600
17 buys 500 at 1246 -> 17 rests 500
18 buys 200 at 1245 -> 18 rests 200
19 buys 100 at 1245 -> 19 rests 100
20 buys 200 at 1245 -> 20 rests 200
21 buys 700 at 1244 -> 21 rests 700
22 buys 300 at 1244 -> 22 rests 300
23 buys 300 at 1242 -> 23 rests 300
24 buys 400 at 1241 -> 24 rests 400
depth 0 -> 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
cancel 15 -> 15 cancelled 400
depth 0 -> 1249:500x3 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
cancel 19 -> 19 cancelled 100
cancel 16 -> 16 cancelled 600
depth 0 -> 1249:500x3 1246:500x1 1245:400x2 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
cancel 13 -> 13 cancelled 200
cancel 12 -> 12 cancelled 100
cancel 14 -> 14 cancelled 200
depth 0 -> 1246:500x1 1245:400x2 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
# TestCancelAskRestore
11 sells 500 at 1250 -> 11 rests 500
10 sells 400 at 1251 -> 10 rests 400
9 sells 100 at 1252 -> 9 rests 100
8 sells 200 at 1252 -> 8 rests 200
7 sells 300 at 1254 -> 7 rests 300
6 sells 200 at 1255 -> 6 rests 200
5 sells 500 at 1255 -> 5 rests 500
4 sells 100 at 1256 -> 4 rests 100
3 sells 100 at 1256 -> 3 rests 100
2 sells 700 at 1257 -> 2 rests 700
1 sells 600 at 1258 -> 1 rests 600
12 buys 100 at 1249 -> 12 rests 100
13 buys 200 at 1249 -> 13 rests 200
14 buys 200 at 1249 -> 14 rests 200
15 buys 400 at 1248 -> 15 rests 400
16 buys 600 at 1246 -> 16 rests 600
17 buys 500 at 1246 -> 17 rests 500
18 buys 200 at 1245 -> 18 rests 200
19 buys 100 at 1245 -> 19 rests 100
20 buys 200 at 1245 -> 20 rests 200
21 buys 700 at 1244 -> 21 rests 700
22 buys 300 at 1244 -> 22 rests 300
23 buys 300 at 1242 -> 23 rests 300
24 buys 400 at 1241 -> 24 rests 400
depth 0 -> 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
cancel 10 -> 10 cancelled 400
depth 0 -> 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
cancel 9 -> 9 cancelled 100
cancel 5 -> 5 cancelled 500
depth 0 -> 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1252:200x1 1254:300x1 1255:200x1 1256:200x2 1257:700x1 1258:600x1
cancel 11 -> 11 cancelled 500
depth 0 -> 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1252:200x1 1254:300x1 1255:200x1 1256:200x2 1257:700x1 1258:600x1
# TestFillCompleteBidRestoreDepth
11 sells 500 at 1250 -> 11 rests 500
10 sells 400 at 1251 -> 10 rests 400
9 sells 100 at 1252 -> 9 rests 100
8 sells 200 at 1252 -> 8 rests 200
7 sells 300 at 1254 -> 7 rests 300
6 sells 200 at 1255 -> 6 rests 200
5 sells 500 at 1255 -> 5 rests 500
4 sells 100 at 1256 -> 4 rests 100
3 sells 100 at 1256 -> 3 rests 100
2 sells 700 at 1257 -> 2 rests 700
1 sells 600 at 1258 -> 1 rests 600
12 buys 100 at 1249 -> 12 rests 100
13 buys 200 at 1249 -> 13 rests 200
14 buys 200 at 1249 -> 14 rests 200
15 buys 400 at 1248 -> 15 rests 400
16 buys 600 at 1246 -> 16 rests 600
17 buys 500 at 1246 -> 17 rests 500
18 buys 200 at 1245 -> 18 rests 200
19 buys 100 at 1245 -> 19 rests 100
20 buys 200 at 1245 -> 20 rests 200
21 buys 700 at 1244 -> 21 rests 700
22 buys 300 at 1244 -> 22 rests 300
23 buys 300 at 1242 -> 23 rests 300
24 buys 400 at 1241 -> 24 rests 400
depth 0 -> 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
25 sells 800 at 1249 -> 25>12 100@1249; 25>13 200@1249; 25>14 200@1249; 25 rests 300
fills -> 12:100=124900 13:200=249800 14:200=249800 25:500=624500
depth 0 -> 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1249:300x1 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
26 sells 400 at 1248 -> 26>15 400@1248
fills -> 15:400=499200 26:400=499200
depth 0 -> 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1249:300x1 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
27 sells 2400 at 1246 -> 27>16 600@1246; 27>17 500@1246; 27 rests 1300
fills -> 16:600=747600 17:500=623000 27:1100=1370600
depth 0 -> 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1246:1300x1 1249:300x1 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
28 sells 250 at 1245 -> 28>18 200@1245; 28>19 50@1245
fills -> 18:200=249000 19:50=62250 28:250=311250
depth 0 -> 1245:250x2 1244:1000x2 1242:300x1 1241:400x1 | 1246:1300x1 1249:300x1 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
# TestFillCompleteAskRestoreDepth
11 sells 500 at 1250 -> 11 rests 500
10 sells 400 at 1251 -> 10 rests 400
9 sells 100 at 1252 -> 9 rests 100
8 sells 200 at 1252 -> 8 rests 200
7 sells 300 at 1254 -> 7 rests 300
6 sells 200 at 1255 -> 6 rests 200
5 sells 500 at 1255 -> 5 rests 500
4 sells 100 at 1256 -> 4 rests 100
3 sells 100 at 1256 -> 3 rests 100
2 sells 700 at 1257 -> 2 rests 700
1 sells 600 at 1258 -> 1 rests 600
12 buys 100 at 1249 -> 12 rests 100
13 buys 200 at 1249 -> 13 rests 200
14 buys 200 at 1249 -> 14 rests 200
15 buys 400 at 1248 -> 15 rests 400
16 buys 600 at 1246 -> 16 rests 600
17 buys 500 at 1246 -> 17 rests 500
18 buys 200 at 1245 -> 18 rests 200
19 buys 100 at 1245 -> 19 rests 100
20 buys 200 at 1245 -> 20 rests 200
21 buys 700 at 1244 -> 21 rests 700
22 buys 300 at 1244 -> 22 rests 300
23 buys 300 at 1242 -> 23 rests 300
24 buys 400 at 1241 -> 24 rests 400
depth 0 -> 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1250:500x1 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
25 buys 800 at 1250 -> 11>25 500@1250; 25 rests 300
fills -> 11:500=625000 25:500=625000
depth 0 -> 1250:300x1 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1251:400x1 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
26 buys 400 at 1251 -> 10>26 400@1251
fills -> 10:400=500400 26:400=500400
depth 0 -> 1250:300x1 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1252:300x2 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
27 buys 2400 at 1252 -> 9>27 100@1252; 8>27 200@1252; 27 rests 2100
fills -> 27:300=375600 8:200=250400 9:100=125200
depth 0 -> 1252:2100x1 1250:300x1 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1254:300x1 1255:700x2 1256:200x2 1257:700x1 1258:600x1
28 buys 300 at 1254 -> 7>28 300@1254
fills -> 28:300=376200 7:300=376200
depth 0 -> 1252:2100x1 1250:300x1 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1255:700x2 1256:200x2 1257:700x1 1258:600x1
29 buys 550 at 1255 -> 6>29 200@1255; 5>29 350@1255
fills -> 29:550=690250 5:350=439250 6:200=251000
depth 0 -> 1252:2100x1 1250:300x1 1249:500x3 1248:400x1 1246:1100x2 1245:500x3 1244:1000x2 1242:300x1 1241:400x1 | 1255:150x1 1256:200x2 1257:700x1 1258:600x1
# TestReplaceSizeIncrease
3 buys 100 at 1250 -> 3 rests 100
4 buys 100 at 1249 -> 4 rests 100
1 sells 300 at 1252 -> 1 rests 300
2 sells 200 at 1251 -> 2 rests 200
depth 0 -> 1250:100x1 1249:100x1 | 1251:200x1 1252:300x1
replace 3 125 at 1250 -> 3 rests 125
replace 1 350 at 1252 -> 1 rests 350
depth 0 -> 1250:125x1 1249:100x1 | 1251:200x1 1252:350x1
# TestReplaceSizeDecrease
4 buys 100 at 1250 -> 4 rests 100
3 buys 100 at 1251 -> 3 rests 100
2 sells 300 at 1252 -> 2 rests 300
1 sells 200 at 1252 -> 1 rests 200
depth 0 -> 1251:100x1 1250:100x1 | 1252:500x2
replace 4 40 at 1250 -> 4 reduced to 40
replace 2 150 at 1252 -> 2 reduced to 150
depth 0 -> 1251:100x1 1250:40x1 | 1252:350x2
# TestReplaceSizeDecreaseCancel
4 buys 100 at 1250 -> 4 rests 100
3 buys 400 at 1251 -> 3 rests 400
5 buys 700 at 1249 -> 5 rests 700
2 sells 300 at 1252 -> 2 rests 300
1 sells 200 at 1252 -> 1 rests 200
depth 0 -> 1251:400x1 1250:100x1 1249:700x1 | 1252:500x2
6 buys 125 at 1252 -> 2>6 125@1252
fills -> 2:125=156500 6:125=156500
7 sells 100 at 1251 -> 7>3 100@1251
fills -> 3:100=125100 7:100=125100
depth 0 -> 1251:300x1 1250:100x1 1249:700x1 | 1252:375x2
reduce 2 175 -> 2 reduced to 0
depth 0 -> 1251:300x1 1250:100x1 1249:700x1 | 1252:200x1
replace 3 200 at 1251 -> 3 reduced to 200
depth 0 -> 1251:200x1 1250:100x1 1249:700x1 | 1252:200x1
reduce 3 200 -> 3 reduced to 0
depth 0 -> 1250:100x1 1249:700x1 | 1252:200x1
# TestReplaceSizeIncreaseDecrease
4 buys 100 at 1250 -> 4 rests 100
2 sells 300 at 1251 -> 2 rests 300
1 sells 200 at 1252 -> 1 rests 200
depth 0 -> 1250:100x1 | 1251:300x1 1252:200x1
replace 2 350 at 1251 -> 2 rests 350
replace 4 125 at 1250 -> 4 rests 125
replace 2 250 at 1251 -> 2 reduced to 250
replace 4 150 at 1250 -> 4 rests 150
replace 2 550 at 1251 -> 2 rests 550
replace 4 75 at 1250 -> 4 reduced to 75
depth 0 -> 1250:75x1 | 1251:550x1 1252:200x1
# TestReplaceBidPriceChange
4 buys 120 at 1250 -> 4 rests 120
3 buys 140 at 1251 -> 3 rests 140
1 sells 300 at 1253 -> 1 rests 300
2 sells 200 at 1252 -> 2 rests 200
depth 0 -> 1251:140x1 1250:120x1 | 1252:200x1 1253:300x1
replace 4 120 at 1251 -> 4 rests 120
depth 0 -> 1251:260x2 | 1252:200x1 1253:300x1
replace 3 140 at 1250 -> 3 rests 140
depth 0 -> 1251:120x1 1250:140x1 | 1252:200x1 1253:300x1
# TestReplaceAskPriceChange
4 buys 120 at 1250 -> 4 rests 120
3 buys 140 at 1251 -> 3 rests 140
1 sells 300 at 1253 -> 1 rests 300
2 sells 200 at 1252 -> 2 rests 200
depth 0 -> 1251:140x1 1250:120x1 | 1252:200x1 1253:300x1
replace 2 200 at 1253 -> 2 rests 200
depth 0 -> 1251:140x1 1250:120x1 | 1253:500x2
replace 1 300 at 1252 -> 1 rests 300
depth 0 -> 1251:140x1 1250:120x1 | 1252:300x1 1253:200x1
# TestReplaceBidPriceChangeErase
4 buys 120 at 1250 -> 4 rests 120
3 buys 140 at 1251 -> 3 rests 140
5 buys 100 at 1249 -> 5 rests 100
6 buys 200 at 1248 -> 6 rests 200
7 buys 400 at 1247 -> 7 rests 400
8 buys 800 at 1246 -> 8 rests 800
1 sells 300 at 1253 -> 1 rests 300
2 sells 200 at 1252 -> 2 rests 200
depth 0 -> 1251:140x1 1250:120x1 1249:100x1 1248:200x1 1247:400x1 1246:800x1 | 1252:200x1 1253:300x1
replace 4 120 at 1251 -> 4 rests 120
depth 0 -> 1251:260x2 1249:100x1 1248:200x1 1247:400x1 1246:800x1 | 1252:200x1 1253:300x1
replace 3 140 at 1250 -> 3 rests 140
depth 0 -> 1251:120x1 1250:140x1 1249:100x1 1248:200x1 1247:400x1 1246:800x1 | 1252:200x1 1253:300x1
# TestReplaceAskPriceChangeErase
8 buys 120 at 1250 -> 8 rests 120
7 buys 140 at 1251 -> 7 rests 140
5 sells 300 at 1253 -> 5 rests 300
6 sells 200 at 1252 -> 6 rests 200
4 sells 310 at 1254 -> 4 rests 310
3 sells 302 at 1255 -> 3 rests 302
2 sells 330 at 1256 -> 2 rests 330
1 sells 304 at 1258 -> 1 rests 304
depth 0 -> 1251:140x1 1250:120x1 | 1252:200x1 1253:300x1 1254:310x1 1255:302x1 1256:330x1 1258:304x1
replace 6 200 at 1253 -> 6 rests 200
depth 0 -> 1251:140x1 1250:120x1 | 1253:500x2 1254:310x1 1255:302x1 1256:330x1 1258:304x1
replace 5 300 at 1252 -> 5 rests 300
depth 0 -> 1251:140x1 1250:120x1 | 1252:300x1 1253:200x1 1254:310x1 1255:302x1 1256:330x1 1258:304x1
# TestBidMultiLevelFillRestore
3 buys 200 at 1251 -> 3 rests 200
4 buys 200 at 1250 -> 4 rests 200
5 buys 200 at 1250 -> 5 rests 200
6 buys 200 at 1248 -> 6 rests 200
7 buys 200 at 1247 -> 7 rests 200
8 buys 200 at 1246 -> 8 rests 200
9 buys 200 at 1245 -> 9 rests 200
10 buys 200 at 1244 -> 10 rests 200
2 sells 100 at 1252 -> 2 rests 100
depth 0 -> 1251:200x1 1250:400x2 1248:200x1 1247:200x1 1246:200x1 1245:200x1 1244:200x1 | 1252:100x1
1 sells 1300 at -9999990 ioc -> 1>3 200@1251; 1>4 200@1250; 1>5 200@1250; 1>6 200@1248; 1>7 200@1247; 1>8 200@1246; 1>9 100@1245
fills -> 1:1300=1622900 3:200=250200 4:200=250000 5:200=250000 6:200=249600 7:200=249400 8:200=249200 9:100=124500
depth 0 -> 1245:100x1 1244:200x1 | 1252:100x1
# TestAskMultiLevelFillRestore
1 sells 200 at 1251 -> 1 rests 200
2 sells 200 at 1250 -> 2 rests 200
3 sells 300 at 1250 -> 3 rests 300
4 sells 200 at 1248 -> 4 rests 200
5 sells 200 at 1247 -> 5 rests 200
6 sells 200 at 1245 -> 6 rests 200
7 sells 200 at 1245 -> 7 rests 200
8 sells 200 at 1244 -> 8 rests 200
10 buys 100 at 1242 -> 10 rests 100
depth 0 -> 1242:100x1 | 1244:200x1 1245:400x2 1247:200x1 1248:200x1 1250:500x2 1251:200x1
9 buys 1550 at 9999990 ioc -> 8>9 200@1244; 6>9 200@1245; 7>9 200@1245; 5>9 200@1247; 4>9 200@1248; 2>9 200@1250; 3>9 300@1250; 1>9 50@1251
fills -> 1:50=62550 2:200=250000 3:300=375000 4:200=249600 5:200=249400 6:200=249000 7:200=249000 8:200=248800 9:1550=1933350
depth 0 -> 1242:100x1 | 1251:150x1
# TestReplaceBidMatch
4 buys 120 at 1250 -> 4 rests 120
3 buys 140 at 1251 -> 3 rests 140
2 sells 300 at 1253 -> 2 rests 300
1 sells 200 at 1254 -> 1 rests 200
depth 0 -> 1251:140x1 1250:120x1 | 1253:300x1 1254:200x1
replace 4 120 at 1252 -> 4 rests 120
depth 0 -> 1252:120x1 1251:140x1 | 1253:300x1 1254:200x1
replace 3 140 at 1253 -> 2>3 140@1253
fills -> 2:140=175420 3:140=175420
depth 0 -> 1252:120x1 | 1253:160x1 1254:200x1
# TestReplaceAskMatch
4 buys 120 at 1250 -> 4 rests 120
3 buys 140 at 1251 -> 3 rests 140
2 sells 300 at 1253 -> 2 rests 300
1 sells 200 at 1254 -> 1 rests 200
depth 0 -> 1251:140x1 1250:120x1 | 1253:300x1 1254:200x1
replace 1 200 at 1252 -> 1 rests 200
depth 0 -> 1251:140x1 1250:120x1 | 1252:200x1 1253:300x1
replace 2 300 at 1251 -> 2>3 140@1251; 2 rests 160
fills -> 2:140=175140 3:140=175140
depth 0 -> 1250:120x1 | 1251:160x1 1252:200x1
# TestIocBidNoMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
4 buys 100 at 1250 ioc -> 4 drops 100
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestIocBidPartialMatch
3 sells 100 at 1250 -> 3 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1250:100x1 1251:100x1 1252:100x1
4 buys 300 at 1250 ioc -> 3>4 100@1250; 4 drops 200
fills -> 3:100=125000 4:100=125000
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestIocBidFullMatch
3 sells 400 at 1250 -> 3 rests 400
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1250:400x1 1251:100x1 1252:100x1
4 buys 300 at 1250 ioc -> 3>4 300@1250
fills -> 3:300=375000 4:300=375000
depth 0 -> 1249:100x1 1248:100x1 | 1250:100x1 1251:100x1 1252:100x1
# TestIocBidMultiMatch
3 sells 400 at 1250 -> 3 rests 400
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1250:400x1 1251:100x1 1252:100x1
4 buys 500 at 1251 ioc -> 3>4 400@1250; 2>4 100@1251
fills -> 2:100=125100 3:400=500000 4:500=625100
depth 0 -> 1249:100x1 1248:100x1 | 1252:100x1
# TestFokBidNoMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
4 buys 100 at 1250 fok -> refused MatchFillOrKill
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestFokBidPartialMatch
3 sells 100 at 1250 -> 3 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1250:100x1 1251:100x1 1252:100x1
4 buys 300 at 1250 fok -> refused MatchFillOrKill
depth 0 -> 1249:100x1 1248:100x1 | 1250:100x1 1251:100x1 1252:100x1
# TestFokBidFullMatch
3 sells 400 at 1250 -> 3 rests 400
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1250:400x1 1251:100x1 1252:100x1
4 buys 300 at 1250 fok -> 3>4 300@1250
fills -> 3:300=375000 4:300=375000
depth 0 -> 1249:100x1 1248:100x1 | 1250:100x1 1251:100x1 1252:100x1
# TestFokBidMultiMatch
3 sells 400 at 1250 -> 3 rests 400
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1250:400x1 1251:100x1 1252:100x1
4 buys 500 at 1251 fok -> 3>4 400@1250; 2>4 100@1251
fills -> 2:100=125100 3:400=500000 4:500=625100
depth 0 -> 1249:100x1 1248:100x1 | 1252:100x1
# TestIocAskNoMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 100 at 1250 ioc -> 3 drops 100
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestIocAskPartialMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
4 buys 100 at 1250 -> 4 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1250:100x1 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 300 at 1250 ioc -> 3>4 100@1250; 3 drops 200
fills -> 3:100=125000 4:100=125000
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestIocAskFullMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
4 buys 300 at 1250 -> 4 rests 300
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1250:300x1 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 300 at 1250 ioc -> 3>4 300@1250
fills -> 3:300=375000 4:300=375000
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestIocAskMultiMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
4 buys 300 at 1250 -> 4 rests 300
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1250:300x1 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 400 at 1249 ioc -> 3>4 300@1250; 3>5 100@1249
fills -> 3:400=499900 4:300=375000 5:100=124900
depth 0 -> 1248:100x1 | 1251:100x1 1252:100x1
# TestFokAskNoMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 100 at 1250 fok -> refused MatchFillOrKill
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestFokAskPartialMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
4 buys 100 at 1250 -> 4 rests 100
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1250:100x1 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 300 at 1250 fok -> refused MatchFillOrKill
depth 0 -> 1250:100x1 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestFokAskFullMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
4 buys 300 at 1250 -> 4 rests 300
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1250:300x1 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 300 at 1250 fok -> 3>4 300@1250
fills -> 3:300=375000 4:300=375000
depth 0 -> 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
# TestFokAskMultiMatch
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
4 buys 300 at 1250 -> 4 rests 300
5 buys 100 at 1249 -> 5 rests 100
6 buys 100 at 1248 -> 6 rests 100
depth 0 -> 1250:300x1 1249:100x1 1248:100x1 | 1251:100x1 1252:100x1
3 sells 400 at 1249 fok -> 3>4 300@1250; 3>5 100@1249
fills -> 3:400=499900 4:300=375000 5:100=124900
depth 0 -> 1248:100x1 | 1251:100x1 1252:100x1
# TestBboAddCompleteAsk
3 buys 100 at 1250 -> 3 rests 100
1 sells 100 at 1251 -> 1 rests 100
depth 0 -> 1250:100x1 | 1251:100x1
2 sells 100 at 1250 -> 2>3 100@1250
fills -> 2:100=125000 3:100=125000
depth 0 -> | 1251:100x1
# TestBboCancelBid
3 buys 100 at 1250 -> 3 rests 100
2 sells 100 at 1251 -> 2 rests 100
1 sells 100 at 1252 -> 1 rests 100
depth 0 -> 1250:100x1 | 1251:100x1 1252:100x1
cancel 3 -> 3 cancelled 100
depth 0 -> | 1251:100x1 1252:100x1
