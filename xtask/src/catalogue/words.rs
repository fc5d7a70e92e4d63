//! The words the catalogue is made of. All brands and stores are invented.

/// A name in Chinese and in English.
pub type Pair = (&'static str, &'static str);

/// What a thing is called and the emoji that stands for it.
pub struct Noun {
    /// Chinese and English.
    pub name: Pair,
    /// Its picture.
    pub emoji: &'static str,
}

/// One category and everything that may be said about its goods.
pub struct Category {
    /// Chinese and English.
    pub name: Pair,
    /// Share of the catalogue, relative to the others.
    pub weight: u32,
    /// Degrees on the colour circle, for the tiles.
    pub hue: u32,
    /// Yuan, lowest and highest before rounding.
    pub price: (f64, f64),
    /// Makers.
    pub brands: &'static [Pair],
    /// Stores and makers who offer the goods.
    pub creators: &'static [Pair],
    /// Tags; the first of a product also stands in its title.
    pub styles: &'static [Pair],
    /// Kinds of goods.
    pub nouns: &'static [Noun],
    /// What one product differs in: colours, sizes, packs.
    pub variants: &'static [Pair],
}

/// Tags that any category may carry.
pub const PROMISES: &[Pair] = &[
    ("包邮", "Free delivery"),
    ("新品", "New"),
    ("七天无理由", "7-day returns"),
    ("次日达", "Next day"),
    ("会员价", "Member price"),
];

const COLOURS: &[Pair] = &[
    ("米白", "ivory"),
    ("雾蓝", "mist blue"),
    ("燕麦", "oat"),
    ("墨绿", "deep green"),
    ("炭黑", "charcoal"),
    ("豆沙", "dusty rose"),
];
const SIZES: &[Pair] = &[("S码", "S"), ("M码", "M"), ("L码", "L"), ("XL码", "XL")];
const SHOE_SIZES: &[Pair] =
    &[("37码", "size 37"), ("38码", "size 38"), ("40码", "size 40"), ("42码", "size 42"), ("44码", "size 44")];
const PACKS: &[Pair] = &[("单袋装", "1 pack"), ("3袋装", "3 packs"), ("6袋装", "6 packs"), ("家庭装", "family pack")];
const WEIGHTS: &[Pair] = &[("500克", "500 g"), ("1千克", "1 kg"), ("2.5千克", "2.5 kg"), ("5千克", "5 kg")];
const BOXES: &[Pair] =
    &[("正装", "full size"), ("旅行装", "travel size"), ("双支装", "twin pack"), ("礼盒装", "gift box")];
const MEMORY: &[Pair] = &[("标准版", "standard"), ("高配版", "plus"), ("旗舰版", "flagship"), ("套装版", "bundle")];
const EDITIONS: &[Pair] =
    &[("平装", "paperback"), ("精装", "hardcover"), ("插图版", "illustrated"), ("大字版", "large print")];

macro_rules! nouns {
    ($($zh:literal $en:literal $emoji:literal),* $(,)?) => {
        &[$(Noun { name: ($zh, $en), emoji: $emoji }),*]
    };
}

macro_rules! category {
    ($name:expr, $weight:literal, $hue:literal, $price:expr, $variants:expr,
     brands $brands:expr, creators $creators:expr, styles $styles:expr, nouns $nouns:expr) => {
        Category {
            name: $name,
            weight: $weight,
            hue: $hue,
            price: $price,
            brands: &$brands,
            creators: &$creators,
            styles: &$styles,
            nouns: $nouns,
            variants: $variants,
        }
    };
}

/// All categories, in the order the shop lists them.
pub const CATEGORIES: &[Category] = &[
    category!(("女装", "Women"), 16, 338, (59.0, 699.0), COLOURS,
        brands [("槿序", "Jinxu"), ("半亩裳", "Banmu"), ("眠云里", "Mianyun"), ("初棠", "Chutang"), ("白露集", "Bailu")],
        creators [("阿青的衣橱", "Aqing's Wardrobe"), ("南巷裁缝铺", "South Lane Tailors"), ("小满穿搭", "Xiaoman Styles"), ("一月女装社", "January Studio")],
        styles [("法式", "French"), ("通勤", "Office"), ("宽松", "Relaxed"), ("复古", "Vintage"), ("轻薄", "Light"), ("显瘦", "Slim-fit")],
        nouns nouns!["连衣裙" "Dress" "👗", "衬衫" "Blouse" "👚", "半身裙" "Skirt" "💃", "风衣" "Trench Coat" "🧥", "针织开衫" "Cardigan" "🧶", "牛仔裤" "Jeans" "👖"]),
    category!(("男装", "Men"), 12, 212, (59.0, 599.0), SIZES,
        brands [("砚石", "Yanshi"), ("北岸线", "Beianxian"), ("松间", "Songjian"), ("拓衡", "Tuoheng"), ("青屿港", "Qingyu")],
        creators [("老陈男装", "Old Chen Menswear"), ("城南衬衫店", "Southtown Shirts"), ("基本款研究所", "Basics Lab"), ("周末衣架", "Weekend Rack")],
        styles [("商务", "Business"), ("纯棉", "Cotton"), ("免烫", "Non-iron"), ("修身", "Fitted"), ("工装", "Workwear"), ("速干", "Quick-dry")],
        nouns nouns!["衬衫" "Shirt" "👔", "T恤" "T-shirt" "👕", "夹克" "Jacket" "🧥", "休闲裤" "Chinos" "👖", "短裤" "Shorts" "🩳", "棉袜" "Socks" "🧦"]),
    category!(("运动鞋", "Sneakers"), 11, 24, (129.0, 999.0), SHOE_SIZES,
        brands [("疾野", "Jiye"), ("风履", "Fenglv"), ("跃纪", "Yueji"), ("云踏", "Yunta"), ("十里跑", "Shilipao")],
        creators [("跑者阿杰", "Runner Jay"), ("半马俱乐部", "Half Marathon Club"), ("球鞋仓库", "Sneaker Depot"), ("山路试鞋员", "Trail Tester")],
        styles [("缓震", "Cushioned"), ("透气", "Breathable"), ("轻量", "Lightweight"), ("防滑", "Non-slip"), ("碳板", "Carbon-plate"), ("复古跑", "Retro Running")],
        nouns nouns!["跑步鞋" "Running Shoes" "👟", "徒步鞋" "Hiking Boots" "🥾", "篮球鞋" "Basketball Shoes" "🏀", "板鞋" "Skate Shoes" "🛹", "羽毛球鞋" "Badminton Shoes" "🏸"]),
    category!(("手机数码", "Electronics"), 14, 205, (49.0, 5_999.0), MEMORY,
        brands [("极川", "Jichuan"), ("听澜", "Tinglan"), ("光屿", "Guangyu"), ("微岭", "Weiling"), ("星枢", "Xingshu")],
        creators [("数码小王", "Gadget Wang"), ("参数党", "Spec Hunters"), ("极客修理铺", "Geek Repairs"), ("耳机发烧友", "Headphone Fans")],
        styles [("降噪", "Noise-cancelling"), ("快充", "Fast-charge"), ("长续航", "Long-life"), ("无线", "Wireless"), ("便携", "Portable"), ("护眼", "Eye-care")],
        nouns nouns!["耳机" "Headphones" "🎧", "手机" "Phone" "📱", "平板" "Tablet" "💻", "智能手表" "Smart Watch" "⌚", "相机" "Camera" "📷", "键盘" "Keyboard" "⌨️", "充电宝" "Power Bank" "🔋"]),
    category!(("家电", "Appliances"), 9, 190, (79.0, 3_999.0), MEMORY,
        brands [("暖格", "Nuange"), ("澄屋", "Chengwu"), ("沐风堂", "Mufeng"), ("安小炊", "Anxiaochui"), ("净域家", "Jingyu")],
        creators [("家电测评室", "Appliance Lab"), ("省电达人", "Watt Saver"), ("懒人之家", "Easy Living"), ("老李电器", "Li Appliances")],
        styles [("静音", "Quiet"), ("节能", "Energy-saving"), ("智能", "Smart"), ("迷你", "Compact"), ("大容量", "Large"), ("一键", "One-touch")],
        nouns nouns!["电风扇" "Fan" "🌀", "台灯" "Lamp" "💡", "吸尘器" "Vacuum" "🧹", "加湿器" "Humidifier" "💧", "电视" "Television" "📺", "洗衣机" "Washer" "🧺"]),
    category!(("美妆", "Beauty"), 12, 350, (29.0, 599.0), BOXES,
        brands [("花漾记", "Huayang"), ("芷兰坊", "Zhilan"), ("雪栗", "Xueli"), ("拾颜", "Shiyan"), ("露笙", "Lusheng")],
        creators [("成分党小鹿", "Ingredient Fawn"), ("素颜研究社", "Bare Face Club"), ("口红试色间", "Lipstick Room"), ("油皮日记", "Oily Skin Diary")],
        styles [("保湿", "Hydrating"), ("敏感肌", "Gentle"), ("持妆", "Long-wear"), ("提亮", "Brightening"), ("无香", "Fragrance-free"), ("清爽", "Fresh")],
        nouns nouns!["口红" "Lipstick" "💄", "面霜" "Face Cream" "🧴", "指甲油" "Nail Polish" "💅", "香水" "Perfume" "🌸", "洁面乳" "Cleanser" "🫧", "粉饼" "Powder" "🪞"]),
    category!(("母婴", "Baby"), 9, 42, (19.0, 899.0), SIZES,
        brands [("芽芽屋", "Yayawu"), ("奶团", "Naituan"), ("小荷包", "Xiaohe"), ("暖袋熊", "Nuandai"), ("稚禾", "Zhihe")],
        creators [("新手爸妈", "New Parents"), ("圆圆妈妈", "Yuanyuan's Mum"), ("育儿师小林", "Nanny Lin"), ("宝宝衣帽间", "Baby Closet")],
        styles [("有机棉", "Organic Cotton"), ("新生儿", "Newborn"), ("防胀气", "Anti-colic"), ("柔软", "Soft"), ("易清洗", "Easy-clean"), ("便携", "Portable")],
        nouns nouns!["奶瓶" "Baby Bottle" "🍼", "连体衣" "Romper" "👶", "婴儿车" "Stroller" "🛒", "安抚玩偶" "Comfort Toy" "🧸", "围兜" "Bib" "🐣", "浴盆" "Bath Tub" "🛁"]),
    category!(("零食", "Snacks"), 14, 34, (5.0, 99.0), PACKS,
        brands [("满口响", "Mankou"), ("栗小满", "Lixiaoman"), ("嘎嘣镇", "Gabeng"), ("山谷仓", "Shangu"), ("甜二街", "Tianerjie")],
        creators [("办公室零食柜", "Office Snack Box"), ("辣味研究员", "Spice Researcher"), ("阿婆的炒货", "Grandma's Roasts"), ("追剧补给站", "Binge Supply")],
        styles [("低糖", "Low-sugar"), ("麻辣", "Spicy"), ("酥脆", "Crispy"), ("非油炸", "Not Fried"), ("独立小包", "Single-serve"), ("手工", "Handmade")],
        nouns nouns!["坚果" "Nuts" "🥜", "饼干" "Cookies" "🍪", "巧克力" "Chocolate" "🍫", "薯片" "Crisps" "🍟", "糖果" "Candy" "🍬", "爆米花" "Popcorn" "🍿", "月饼" "Mooncake" "🥮"]),
    category!(("生鲜", "Fresh"), 11, 96, (9.0, 119.0), WEIGHTS,
        brands [("晨露田", "Chenlutian"), ("一亩甜", "Yimutian"), ("渔火湾", "Yuhuo"), ("岭上果", "Lingshang"), ("青坡牧", "Qingpo")],
        creators [("果农老周", "Farmer Zhou"), ("海边小渔", "Little Fisher"), ("菜场阿姨", "Market Auntie"), ("高原农场", "Highland Farm")],
        styles [("当季", "Seasonal"), ("产地直发", "Farm-direct"), ("有机", "Organic"), ("冷链", "Chilled"), ("脆甜", "Crisp"), ("现摘", "Just Picked")],
        nouns nouns!["苹果" "Apples" "🍎", "草莓" "Strawberries" "🍓", "车厘子" "Cherries" "🍒", "大虾" "Prawns" "🦐", "牛排" "Steak" "🥩", "鸡蛋" "Eggs" "🥚", "西兰花" "Broccoli" "🥦", "芒果" "Mangoes" "🥭"]),
    category!(("图书", "Books"), 10, 228, (19.0, 119.0), EDITIONS,
        brands [("长灯书坊", "Changdeng"), ("纸舟", "Zhizhou"), ("北窗文库", "Beichuang"), ("拾页", "Shiye"), ("半卷出版", "Banjuan")],
        creators [("夜读人", "Night Reader"), ("街角书店", "Corner Bookshop"), ("推理迷阿木", "Mystery Mu"), ("绘本姐姐", "Picture Book Sis")],
        styles [("推理", "Mystery"), ("历史", "History"), ("科幻", "Sci-fi"), ("治愈", "Comforting"), ("入门", "Beginner"), ("旅行", "Travel")],
        nouns nouns!["小说集" "Stories" "📚", "随笔" "Essays" "📖", "图鉴" "Field Guide" "📗", "绘本" "Picture Book" "📕", "手册" "Handbook" "📘"]),
    category!(("文具", "Stationery"), 8, 48, (5.0, 159.0), COLOURS,
        brands [("墨点社", "Modian"), ("方格纸", "Fangge"), ("铅字屋", "Qianzi"), ("知更笔", "Zhigeng"), ("叠叠册", "Diedie")],
        creators [("手帐小筑", "Journal House"), ("考研自习室", "Study Room"), ("钢笔先生", "Mr Fountain Pen"), ("美术生仓库", "Art Student Store")],
        styles [("顺滑", "Smooth"), ("极简", "Minimal"), ("可替芯", "Refillable"), ("手帐", "Journaling"), ("速干", "Quick-dry"), ("学生", "Student")],
        nouns nouns!["钢笔" "Fountain Pen" "🖋️", "笔记本" "Notebook" "📓", "水彩" "Watercolours" "🎨", "铅笔" "Pencils" "✏️", "便签" "Sticky Notes" "📝", "尺子" "Ruler" "📐"]),
    category!(("家居", "Home"), 11, 28, (19.0, 1_999.0), COLOURS,
        brands [("木棠家", "Mutang"), ("宿光", "Suguang"), ("织庐", "Zhilu"), ("归野", "Guiye"), ("方寸居", "Fangcun")],
        creators [("租房改造家", "Rental Makeover"), ("收纳师阿静", "Organiser Jing"), ("木工小院", "Woodwork Yard"), ("睡眠实验室", "Sleep Lab")],
        styles [("北欧", "Nordic"), ("原木", "Solid-wood"), ("亲肤", "Skin-friendly"), ("收纳", "Storage"), ("日式", "Japanese"), ("轻奢", "Elegant")],
        nouns nouns!["沙发" "Sofa" "🛋️", "四件套" "Bedding Set" "🛏️", "蜡烛" "Candle" "🕯️", "椅子" "Chair" "🪑", "挂钟" "Wall Clock" "🕰️", "相框" "Frame" "🖼️"]),
    category!(("厨具", "Kitchen"), 9, 14, (15.0, 399.0), COLOURS,
        brands [("炊小筑", "Chuixiao"), ("铁匠铺子", "Tiejiang"), ("青灶", "Qingzao"), ("一勺味", "Yishao"), ("锅与山", "Guoyushan")],
        creators [("下厨的阿强", "Cook Qiang"), ("烘焙小课堂", "Baking Class"), ("一人食", "Table for One"), ("刀工师傅", "Knife Master")],
        styles [("不粘", "Non-stick"), ("耐用", "Durable"), ("一人食", "Solo"), ("耐高温", "Heat-proof"), ("烘焙", "Baking"), ("易清洁", "Easy-clean")],
        nouns nouns!["煎锅" "Frying Pan" "🍳", "菜刀" "Chef Knife" "🔪", "汤锅" "Stock Pot" "🍲", "茶壶" "Teapot" "🫖", "饭碗" "Rice Bowl" "🍚", "咖啡杯" "Coffee Cup" "☕"]),
    category!(("宠物", "Pets"), 9, 30, (9.0, 399.0), PACKS,
        brands [("毛孩记", "Maohai"), ("喵当家", "Miaodang"), ("汪星仓", "Wangxing"), ("尾巴社", "Weiba"), ("爪印里", "Zhaoyin")],
        creators [("橘猫大人", "Lord Ginger Cat"), ("遛狗搭子", "Dog Walk Buddy"), ("宠物医生小许", "Vet Xu"), ("水族爱好者", "Aquarist")],
        styles [("无谷", "Grain-free"), ("幼宠", "For Kittens & Pups"), ("耐咬", "Chew-proof"), ("除味", "Odour-free"), ("冻干", "Freeze-dried"), ("互动", "Interactive")],
        nouns nouns!["猫粮" "Cat Food" "🐱", "狗粮" "Dog Food" "🐶", "磨牙棒" "Chew Stick" "🦴", "鱼食" "Fish Food" "🐠", "兔草" "Rabbit Hay" "🐰", "猫砂" "Cat Litter" "🐾"]),
    category!(("户外", "Outdoor"), 9, 140, (29.0, 1_599.0), COLOURS,
        brands [("野径", "Yejing"), ("远岫", "Yuanxiu"), ("帐里星", "Zhanglixing"), ("溯溪人", "Suxi"), ("青崖客", "Qingya")],
        creators [("露营老手", "Camp Veteran"), ("周末去爬山", "Weekend Climbers"), ("骑行的猫", "Cycling Cat"), ("钓鱼佬小马", "Angler Ma")],
        styles [("防水", "Waterproof"), ("超轻", "Ultralight"), ("防晒", "Sun-proof"), ("折叠", "Foldable"), ("四季", "Four-season"), ("露营", "Camping")],
        nouns nouns!["帐篷" "Tent" "⛺", "登山包" "Backpack" "🎒", "自行车" "Bicycle" "🚲", "鱼竿" "Fishing Rod" "🎣", "手电" "Torch" "🔦", "遮阳伞" "Parasol" "⛱️", "指南针" "Compass" "🧭"]),
    category!(("箱包", "Bags"), 8, 20, (49.0, 1_299.0), COLOURS,
        brands [("行迹", "Xingji"), ("驮物集", "Tuowu"), ("牧皮坊", "Mupi"), ("远提", "Yuanti"), ("候鸟箱", "Houniao")],
        creators [("出差达人", "Frequent Flyer"), ("皮具匠人", "Leather Maker"), ("通勤包包", "Commuter Bags"), ("行李整理术", "Packing Art")],
        styles [("通勤", "Office"), ("登机", "Cabin-size"), ("真皮", "Leather"), ("大容量", "Large"), ("轻便", "Light"), ("防泼水", "Splash-proof")],
        nouns nouns!["行李箱" "Suitcase" "🧳", "手提包" "Handbag" "👜", "双肩包" "Backpack" "🎒", "钱包" "Wallet" "👛", "公文包" "Briefcase" "💼", "托特包" "Tote" "🛍️"]),
    category!(("玩具", "Toys"), 9, 52, (15.0, 599.0), MEMORY,
        brands [("积木岛", "Jimudao"), ("嘟嘟城", "Duducheng"), ("木马局", "Muma"), ("跳跳盒", "Tiaotiao"), ("小发条", "Xiaofatiao")],
        creators [("模型老王", "Model Wang"), ("桌游吧", "Board Game Bar"), ("童年回忆杀", "Childhood Shop"), ("拼图小姐", "Miss Puzzle")],
        styles [("益智", "Brainy"), ("亲子", "Family"), ("拼装", "Build-it"), ("收藏", "Collector"), ("桌游", "Board Game"), ("发条", "Wind-up")],
        nouns nouns!["积木" "Bricks" "🧱", "拼图" "Puzzle" "🧩", "遥控车" "RC Car" "🚗", "毛绒熊" "Plush Bear" "🧸", "悠悠球" "Yo-yo" "🪀", "风筝" "Kite" "🪁", "机器人" "Robot" "🤖"]),
    category!(("珠宝", "Jewellery"), 6, 46, (99.0, 3_999.0), VARIETY,
        brands [("璨里", "Canli"), ("月白金", "Yuebai"), ("琳琅记", "Linlang"), ("拾贝", "Shibei"), ("见山银", "Jianshan")],
        creators [("银匠小舟", "Silversmith Zhou"), ("珍珠姑娘", "Pearl Girl"), ("古着首饰铺", "Antique Jewels"), ("设计师苏苏", "Designer Susu")],
        styles [("925银", "Silver"), ("淡水珍珠", "Freshwater Pearl"), ("极简", "Minimal"), ("古法", "Heritage"), ("叠戴", "Stackable"), ("送礼", "Gift")],
        nouns nouns!["戒指" "Ring" "💍", "项链" "Necklace" "📿", "手链" "Bracelet" "✨", "胸针" "Brooch" "🦋", "发冠" "Tiara" "👑"]),
    category!(("汽车用品", "Car"), 6, 220, (15.0, 899.0), MEMORY,
        brands [("车小白", "Chexiaobai"), ("驰安", "Chian"), ("路加里", "Lujiali"), ("清轮", "Qinglun"), ("稳驾", "Wenjia")],
        creators [("老司机阿伟", "Driver Wei"), ("洗车工坊", "Wash Works"), ("自驾游记", "Road Trip Notes"), ("新手上路", "New Drivers")],
        styles [("车载", "In-car"), ("静音", "Quiet"), ("防滑", "Non-slip"), ("高清", "HD"), ("四季", "Four-season"), ("强力", "Strong")],
        nouns nouns!["脚垫" "Floor Mats" "🚙", "行车记录仪" "Dash Cam" "📹", "洗车液" "Car Wash" "🧽", "轮胎" "Tyre" "🛞", "工具箱" "Tool Box" "🧰"]),
    category!(("园艺", "Garden"), 7, 112, (9.0, 299.0), PACKS,
        brands [("小院子", "Xiaoyuan"), ("绿意间", "Lvyijian"), ("泥与芽", "Niyuya"), ("花候", "Huahou"), ("多肉镇", "Duorou")],
        creators [("阳台种菜", "Balcony Farmer"), ("花艺师小夏", "Florist Xia"), ("多肉控", "Succulent Fan"), ("老园丁", "Old Gardener")],
        styles [("耐阴", "Shade-loving"), ("好养", "Easy-care"), ("开花", "Flowering"), ("水培", "Hydroponic"), ("桌面", "Desktop"), ("有机", "Organic")],
        nouns nouns!["绿植" "Green Plant" "🪴", "多肉" "Succulent" "🌵", "玫瑰" "Roses" "🌹", "郁金香" "Tulips" "🌷", "种子" "Seeds" "🌱", "向日葵" "Sunflower" "🌻"]),
    category!(("保健", "Health"), 7, 160, (19.0, 499.0), PACKS,
        brands [("元气仓", "Yuanqi"), ("本草间", "Bencao"), ("康禾里", "Kanghe"), ("轻养社", "Qingyang"), ("晨起", "Chenqi")],
        creators [("营养师小唐", "Nutritionist Tang"), ("养生阿姨", "Wellness Auntie"), ("健身餐日记", "Fit Meals"), ("早睡协会", "Sleep Early Club")],
        styles [("无添加", "Additive-free"), ("高蛋白", "High-protein"), ("草本", "Herbal"), ("温和", "Mild"), ("便携", "Portable"), ("低脂", "Low-fat")],
        nouns nouns!["维生素" "Vitamins" "💊", "蜂蜜" "Honey" "🍯", "花草茶" "Herbal Tea" "🍵", "蛋白棒" "Protein Bar" "💪", "艾草贴" "Herb Patch" "🌿"]),
    category!(("乐器", "Music"), 6, 264, (39.0, 2_999.0), MEMORY,
        brands [("弦上月", "Xianshang"), ("知音阁", "Zhiyin"), ("鼓浪", "Gulang"), ("木吟", "Muyin"), ("竹里馆", "Zhuli")],
        creators [("吉他老师阿飞", "Guitar Fei"), ("民乐小铺", "Folk Music Shop"), ("鼓手日常", "Drummer Days"), ("琴行老板", "Music Store Boss")],
        styles [("初学", "Beginner"), ("手工", "Handcrafted"), ("便携", "Portable"), ("演出", "Stage"), ("民族", "Folk"), ("静音", "Quiet")],
        nouns nouns!["吉他" "Guitar" "🎸", "电子琴" "Keyboard" "🎹", "小提琴" "Violin" "🎻", "鼓" "Drum" "🥁", "小号" "Trumpet" "🎺", "话筒" "Microphone" "🎤", "手风琴" "Accordion" "🪗"]),
    category!(("运动健身", "Fitness"), 8, 172, (19.0, 899.0), COLOURS,
        brands [("力野", "Liye"), ("汗滴", "Handi"), ("伸展社", "Shenzhan"), ("十公里", "Shigongli"), ("弈动", "Yidong")],
        creators [("瑜伽小雅", "Yoga Ya"), ("撸铁日记", "Lifting Diary"), ("网球搭子", "Tennis Buddy"), ("泳队教练", "Swim Coach")],
        styles [("加厚", "Thick"), ("入门", "Beginner"), ("专业", "Pro"), ("防滑", "Non-slip"), ("可调节", "Adjustable"), ("居家", "Home")],
        nouns nouns!["瑜伽垫" "Yoga Mat" "🧘", "哑铃" "Dumbbells" "🏋️", "羽毛球拍" "Badminton Racket" "🏸", "足球" "Football" "⚽", "网球拍" "Tennis Racket" "🎾", "泳镜" "Swim Goggles" "🥽", "乒乓球拍" "Ping-pong Bat" "🏓"]),
    category!(("茶酒饮料", "Drinks"), 9, 60, (9.0, 199.0), PACKS,
        brands [("山吟茶事", "Shanyin"), ("醒舍", "Xingshe"), ("果然泡", "Guoranpao"), ("豆巷", "Douxiang"), ("雾半山", "Wubanshan")],
        creators [("茶农阿云", "Tea Grower Yun"), ("手冲咖啡师", "Pour-over Barista"), ("气泡水控", "Sparkling Fan"), ("微醺小酒馆", "Tipsy Tavern")],
        styles [("冷萃", "Cold-brew"), ("原产地", "Single-origin"), ("无糖", "Sugar-free"), ("低因", "Low-caffeine"), ("果味", "Fruity"), ("浓香", "Rich")],
        nouns nouns!["绿茶" "Green Tea" "🍵", "咖啡豆" "Coffee Beans" "☕", "果汁" "Juice" "🧃", "气泡水" "Sparkling Water" "🥤", "椰子水" "Coconut Water" "🥥", "牛奶" "Milk" "🥛"]),
];

const VARIETY: &[Pair] = &[("银色", "silver"), ("金色", "gold"), ("玫瑰金", "rose gold"), ("礼盒装", "gift box")];
