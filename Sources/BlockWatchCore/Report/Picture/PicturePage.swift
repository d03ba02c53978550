/// A page that shows a picture without a network: zoom, search, and what the record says of a node.
///
/// Whatever is in it of others' names was escaped twice over: Graphviz's SVG, and JSON that the script shows as text. The
/// page's own policy lets no other script run, and nothing be loaded.
public enum PicturePage {
    /// - Parameter svg: of the same picture, by Graphviz.
    public static func html(_ picture: Picture, svg: [UInt8]) -> [UInt8] {
        let policy =
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\(ByteText.base64(SHA256.digest(Array(script.utf8))))'"
        let threads = picture.components.reduce(0) { $0 + $1.threads }
        let counts = "\(threads) thread\(threads == 1 ? "" : "s"), \(picture.components.count) apart"
        let note = picture.note.map { ", " + $0 } ?? ""
        let head = """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="\(policy)">
            <meta name="viewport" content="width=device-width">
            <title>\(escaped(picture.title))</title>
            <style>\(style)</style></head><body>
            <header><b>\(escaped(picture.title))</b><span>\(escaped(counts + note))</span>
            <input id="search" type="search" placeholder="search" aria-label="search" autocomplete="off">
            <span id="found"></span><button id="in">+</button><button id="out">&minus;</button><button id="fit">fit</button>
            <span class="key"><i style="background:#f9c9c9"></i>deadlock <i style="background:#fbdcb8"></i>stuck
            <i style="background:#fbf3c0"></i>waiting <i style="background:#d5e8fa"></i>busy <i style="background:#e6f2e2"></i>idle
            &mdash; bold: root</span></header>
            <main><div id="view">
            """
        let middle =
            "</div><aside id=\"record\">\(legend)</aside></main>\n"
        var page = Array(head.utf8)
        page += body(of: svg)
        page += Array(middle.utf8)
        page += Array("<script type=\"application/json\" id=\"picture\">".utf8)
        page += harmless(picture.json())
        page += Array("</script>\n<script>\(script)</script></body></html>\n".utf8)
        return page
    }

    private static let legend = """
        <p>Point at a node for its record; a click keeps it. Drag, turn the wheel, + and - to move and zoom, 0 for all of it, \
        / to search.</p><dl>
        <dt>rounded</dt><dd>a thread that waits, coloured by verdict, or several that are alike; a process that holds something</dd>
        <dt>rectangle</dt><dd>what is waited for</dd><dt>diamond</dt><dd>poll, select, epoll: any of its members is enough</dd>
        <dt>hexagon, box, octagon</dt><dd>another host or the network to it, a device, nobody</dd>
        <dt>bold</dt><dd>a root: the end of a chain</dd><dt>red lines</dt><dd>between the members of a deadlock</dd>
        <dt>solid line</dt><dd>AND: needed; of &ldquo;all of 3 must let go&rdquo; each</dd>
        <dt>dashed line</dt><dd>OR: any of these is enough</dd>
        <dt>dotted line</dt><dd>stands in line before it, and holds nothing</dd>
        <dt>dashed, empty head</dt><dd>by others that are not drawn</dd></dl>
        """

    static func escaped(_ text: String) -> String {
        var result = ""
        for character in TerminalText.escaped(text).unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    /// JSON in which no element of HTML can end or begin: in strings only, since JSON itself has none of these.
    static func harmless(_ json: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(json.count)
        for byte in json {
            switch byte {
            case UInt8(ascii: "<"): result += Array("\\u003c".utf8)
            case UInt8(ascii: ">"): result += Array("\\u003e".utf8)
            case UInt8(ascii: "&"): result += Array("\\u0026".utf8)
            default: result.append(byte)
            }
        }
        return result
    }

    /// Without the prolog, which has no place in a page.
    static func body(of svg: [UInt8]) -> [UInt8] {
        let tag = Array("<svg".utf8)
        guard svg.count > tag.count,
            let start = (0...svg.count - tag.count).first(where: { svg[$0...].starts(with: tag) })
        else { return [] }
        return Array(svg[start...])
    }

    private static let style = """
        html,body{margin:0;height:100%;font:13px system-ui,sans-serif;color:#222}body{display:flex;flex-direction:column}
        header{display:flex;gap:10px;align-items:center;flex-wrap:wrap;padding:6px 10px;border-bottom:1px solid #ccc}
        header .key{color:#555}header i{display:inline-block;width:10px;height:10px;border:1px solid #888;margin-left:4px}
        main{flex:1;display:flex;min-height:0}#view{flex:1;overflow:hidden;cursor:grab;min-width:0}
        #view svg{width:100%;height:100%;display:block}
        #record{width:340px;overflow:auto;border-left:1px solid #ccc;padding:8px 12px;overflow-wrap:anywhere}
        #record dt{color:#666;margin-top:6px}#record dd{margin:0}#record h2{font-size:15px;margin:0}
        g.node{cursor:pointer}.faded{opacity:.15}g.node.hit>*{filter:drop-shadow(0 0 3px #06f)}
        @media(max-width:700px){main{flex-direction:column}#record{width:auto;height:35%;border:0;border-top:1px solid #ccc}}
        """

    private static let script = """
        'use strict';
        const picture=JSON.parse(document.getElementById('picture').textContent);
        const view=document.getElementById('view'),svg=view.querySelector('svg'),record=document.getElementById('record');
        const byID=new Map(picture.nodes.map(n=>[n.id,n]));
        let kept=null;
        function show(n){
          record.replaceChildren();
          const title=document.createElement('h2');title.textContent=n.title;record.append(title);
          for(const line of n.lines){const p=document.createElement('div');p.textContent=line;record.append(p)}
          const list=document.createElement('dl');
          const facts=n.facts.slice();
          if(n.pids&&n.count>1)facts.push({name:'processes',value:n.pids.join(' ')});
          for(const f of facts){
            const dt=document.createElement('dt'),dd=document.createElement('dd');
            dt.textContent=f.name;dd.textContent=f.value;list.append(dt,dd)}
          record.append(list)}
        const elements=[];
        if(svg){
          for(const g of svg.querySelectorAll('g.node')){
            const n=byID.get(g.id);if(!n)continue;
            for(const a of g.querySelectorAll('a'))a.removeAttribute('xlink:title');
            const t=g.querySelector('title');if(t)t.remove();
            elements.push([g,n,(n.title+' '+n.lines.join(' ')+' '+n.facts.map(f=>f.value).join(' ')+' '+(n.pids||[]).join(' ')).toLowerCase()]);
            g.addEventListener('mouseenter',()=>{if(!kept)show(n)});
            g.addEventListener('click',()=>{if(!moved){kept=kept===n?null:n;show(n)}})}
          const parts=arrange();
          for(const t of svg.querySelectorAll('g.edge>title,g.cluster>title,g.graph>title'))t.remove();
          if(parts.length>3)pack(parts);
        }
        // what does not hang together, each part with its nodes and lines
        function arrange(){
          const home=new Map(),parts=picture.components.map(()=>[]);
          picture.components.forEach((c,i)=>{for(const id of c.nodes)home.set(id,i)});
          for(const g of svg.querySelectorAll('g.cluster,g.node,g.edge')){
            const t=g.querySelector('title'),name=t?t.textContent:'';
            const i=g.classList.contains('cluster')?Number(name.slice(8)):home.get(g.id)??home.get(name.split('->')[0]);
            if(parts[i])parts[i].push(g)}
          return parts.filter(p=>p.length)}
        // Graphviz sets them one below the other: here in rows, in the same order, as wide as the window is
        function pack(parts){
          const root=svg.querySelector('g.graph'),gap=24;let area=0,widest=0;
          const all=parts.map(p=>{const g=root.cloneNode(false);g.removeAttribute('id');g.removeAttribute('transform');g.setAttribute('class','part');root.append(g);g.append(...p);
            const b=g.getBBox();area+=(b.width+gap)*(b.height+gap);widest=Math.max(widest,b.width);return{g,b}});
          const shape=Math.max(view.clientWidth,300)/Math.max(view.clientHeight,200);
          const width=Math.max(Math.sqrt(area*shape)*1.1,widest);
          let x=0,y=0,row=0,column=0,top=0,right=0;
          for(const {g,b} of all){
            // below the last one where the row is high enough, else beside it, else in a new row
            if(top>0&&b.width<=column&&top+b.height<=row){}
            else{x+=column?column+gap:0;column=0;top=0;
              if(x>0&&x+b.width>width){x=0;y+=row+gap;row=0}}
            g.setAttribute('transform',`translate(${x-b.x} ${y+top-b.y})`);
            right=Math.max(right,x+b.width);column=Math.max(column,b.width);row=Math.max(row,top+b.height);top+=b.height+gap}
          root.removeAttribute('transform');
          for(const e of [...root.children])if(e.tagName!=='g')e.remove();
          svg.setAttribute('viewBox',[-8,-8,right+16,y+row+16].join(' '));svg.style.background='#fff'}
        const whole=svg?svg.viewBox.baseVal:{x:0,y:0,width:1,height:1};
        const full={x:whole.x,y:whole.y,w:whole.width,h:whole.height};let box={...full};
        // letters that can be read: of a large one the beginning, where the worst is
        if(scale()<.5){const s=.6;box={x:full.x,y:full.y,w:view.clientWidth/s,h:view.clientHeight/s};draw()}
        function draw(){if(svg)svg.setAttribute('viewBox',[box.x,box.y,box.w,box.h].join(' '))}
        function scale(){return Math.min(view.clientWidth/box.w,view.clientHeight/box.h)}
        function zoom(f,cx,cy){const k=1/f;box={x:cx-(cx-box.x)*k,y:cy-(cy-box.y)*k,w:box.w*k,h:box.h*k};draw()}
        function at(e){const r=view.getBoundingClientRect(),s=scale();
          return [box.x+box.w/2+(e.clientX-r.left-r.width/2)/s,box.y+box.h/2+(e.clientY-r.top-r.height/2)/s]}
        view.addEventListener('wheel',e=>{e.preventDefault();const [x,y]=at(e);zoom(Math.exp(-e.deltaY/400),x,y)},{passive:false});
        let from=null,moved=false;
        view.addEventListener('pointerdown',e=>{from=[e.clientX,e.clientY];moved=false});
        window.addEventListener('pointermove',e=>{if(!from)return;const s=scale(),dx=e.clientX-from[0],dy=e.clientY-from[1];
          if(Math.abs(dx)+Math.abs(dy)>3)moved=true;if(!moved)return;
          box.x-=dx/s;box.y-=dy/s;from=[e.clientX,e.clientY];draw()});
        window.addEventListener('pointerup',()=>{from=null});
        const middle=()=>[box.x+box.w/2,box.y+box.h/2];
        document.getElementById('in').addEventListener('click',()=>zoom(1.4,...middle()));
        document.getElementById('out').addEventListener('click',()=>zoom(1/1.4,...middle()));
        document.getElementById('fit').addEventListener('click',()=>{box={...full};draw()});
        const search=document.getElementById('search'),found=document.getElementById('found');let hits=[],next=0;
        function go(g){const b=g.getBBox(),m=g.getCTM(),c=svg.getCTM().inverse().multiply(m);
          const x=c.a*(b.x+b.width/2)+c.e,y=c.d*(b.y+b.height/2)+c.f;
          const w=Math.min(full.w,Math.max(b.width*6,400)),h=w*view.clientHeight/Math.max(view.clientWidth,1);
          box={x:x-w/2,y:y-h/2,w,h};draw()}
        search.addEventListener('input',()=>{const words=search.value.toLowerCase().split(' ').filter(w=>w);hits=[];next=0;
          for(const [g,n,text] of elements){const hit=words.length>0&&words.every(w=>text.includes(w));
            g.classList.toggle('hit',hit);g.classList.toggle('faded',words.length>0&&!hit);if(hit)hits.push([g,n])}
          found.textContent=words.length?hits.length+' found':''});
        search.addEventListener('keydown',e=>{if(e.key==='Enter'&&hits.length){const [g,n]=hits[next++%hits.length];go(g);show(n)}});
        window.addEventListener('keydown',e=>{if(e.target===search)return;
          if(e.key==='/'){e.preventDefault();search.focus()}
          else if(e.key==='+'||e.key==='=')zoom(1.4,...middle());
          else if(e.key==='-')zoom(1/1.4,...middle());
          else if(e.key==='0'){box={...full};draw()}});
        """
}
